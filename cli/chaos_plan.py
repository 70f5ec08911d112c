"""A seeded plan of faults: what is done to whom, and when. Pure."""

import random
from enum import StrEnum
from typing import NamedTuple

# What a worker counted is on Redis' disk a second later (appendfsync everysec). A worker and Redis that die within the
# same second may lose a count that a score of another partition has shown already: two faults at once, which
# nothing here survives; with `appendfsync always` Redis loses nothing, and the case is gone.
APART = 2.5


class Fault(StrEnum):
    """What is done."""

    KILL_WORKER = "kill worker"  # SIGKILL; a new one is started after a while, as a supervisor would
    PAUSE_WORKER = "pause worker"  # SIGSTOP for longer than the session lasts, then SIGCONT
    JOIN_WORKER = "join worker"  # one more
    LEAVE_WORKER = "leave worker"  # SIGTERM of it
    KILL_REDIS = "kill redis"  # SIGKILL: its last second is lost
    PAUSE_REDIS = "pause redis"
    KILL_BROKER = "kill broker"


class Step(NamedTuple):
    """One fault."""

    at: float  # seconds from the beginning
    fault: Fault
    worker: int  # which, where it is done to a worker


def plan(seed: int, seconds: float, workers: int, kills: int, redis_kills: int, broker_kills: int) -> list[Step]:
    """The faults of a run, in order of time; equal arguments give an equal plan.

    Args:
        seed: of the plan.
        seconds: how long the run is.
        workers: how many there are.
        kills: SIGKILLs of workers.
        redis_kills: SIGKILLs of Redis, each at least APART seconds from any fault of a worker.
        broker_kills: SIGKILLs of the broker.
    """
    rng = random.Random(seed)
    marks = [seconds * (number + 1) / (redis_kills + 1) + rng.uniform(-1, 1) for number in range(redis_kills)]

    def moment() -> float:
        while True:
            at = rng.uniform(0.05, 0.95) * seconds
            if all(abs(at - mark) >= APART for mark in marks):
                return at

    steps = [Step(mark, Fault.KILL_REDIS, 0) for mark in marks]
    steps += [Step(moment(), Fault.KILL_WORKER, rng.randrange(workers)) for _ in range(kills)]
    steps += [Step(moment(), Fault.KILL_BROKER, 0) for _ in range(broker_kills)]
    steps += [Step(moment(), Fault.PAUSE_REDIS, 0), Step(moment(), Fault.PAUSE_WORKER, rng.randrange(workers))]
    joined = moment()
    steps += [Step(joined, Fault.JOIN_WORKER, workers), Step(min(joined + 8, seconds), Fault.LEAVE_WORKER, workers)]
    return sorted(steps)
