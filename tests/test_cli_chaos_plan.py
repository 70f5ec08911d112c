"""The plan of faults of a chaos run."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cli.chaos_plan import APART, Fault, plan

WORKER_FAULTS = {Fault.KILL_WORKER, Fault.PAUSE_WORKER, Fault.JOIN_WORKER}


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 20), st.integers(0, 2), st.integers(0, 2))
def test_a_plan_holds_what_was_asked_for(
    seed: int, workers: int, kills: int, redis_kills: int, broker_kills: int
) -> None:
    """The faults asked for are all there, in order of time, within the run and done to workers that exist."""
    steps = plan(seed, 60, workers, kills, redis_kills, broker_kills)
    found = Counter(step.fault for step in steps)
    assert (found[Fault.KILL_WORKER], found[Fault.KILL_REDIS]) == (kills, redis_kills)
    assert found[Fault.KILL_BROKER] == broker_kills
    assert found[Fault.JOIN_WORKER] == found[Fault.LEAVE_WORKER] == 1
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert all(0 <= step.at <= 60 for step in steps)
    assert all(0 <= step.worker <= workers for step in steps)
    assert plan(seed, 60, workers, kills, redis_kills, broker_kills) == steps


@given(st.integers(0, 10_000))
def test_redis_does_not_die_with_a_worker(seed: int) -> None:
    """A kill of Redis is apart from every fault of a worker: two at once are beyond what fsync every second keeps."""
    steps = plan(seed, 60, 3, 20, 2, 1)
    for step in steps:
        for other in steps:
            if step.fault == Fault.KILL_REDIS and other.fault in WORKER_FAULTS:
                assert abs(step.at - other.at) >= APART
