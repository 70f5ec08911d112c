"""The watchdog ends what hangs, and nothing else."""

import threading

import pytest

from stream import lag, watchdog
from stream.lag import Partition, Place
from stream.watchdog import EXIT_CODE, Progress


class Ended:
    """Stands for the end of the process."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.happened = threading.Event()

    def __call__(self, code: int) -> None:
        """Remember the code."""
        self.codes.append(code)
        self.happened.set()


TP = ("impressions", 0)
BEHIND, DONE = {TP: Place(0, 5, 0)}, {TP: Place(0, 5, 5)}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[Partition, Place] | None]:
    """What the broker answers, one after the other; the last one again and again."""
    told: list[dict[Partition, Place] | None] = []
    monkeypatch.setattr(lag, "places", lambda client, partitions: told.pop(0) if len(told) > 1 else told[0])
    return told


def watch(progress: Progress, ended: Ended, patience: float = 0.1) -> None:
    """Run the watchdog until it ends the process."""
    watchdog.start(None, progress, patience, exit_=ended).join(30)  # type: ignore[arg-type]


def test_lag_without_a_sign_of_life_ends_the_process(answers: list[dict[Partition, Place] | None]) -> None:
    """With messages to do and nothing done for the set time the process ends, with a code of its own."""
    answers.append(BEHIND)
    ended = Ended()
    watch(Progress(), ended)
    assert ended.codes == [EXIT_CODE]


def test_an_empty_queue_and_a_silent_broker_keep_it_alive(answers: list[dict[Partition, Place] | None]) -> None:
    """While nothing is to do, or the broker does not answer, the process is left alone; then patience begins anew."""
    answers += [DONE] * 20 + [None] * 20 + [BEHIND]
    ended = Ended()
    watch(Progress(), ended)
    assert ended.codes == [EXIT_CODE]
    assert answers == [BEHIND]


def test_what_was_acked_counts_as_done(answers: list[dict[Partition, Place] | None]) -> None:
    """The committed offset lags behind the acks: it alone does not make a worker hung."""
    progress = Progress()
    progress.assign([TP])
    progress.acked[TP] = 5
    answers += [BEHIND] * 30 + [{TP: Place(0, 6, 0)}]
    ended = Ended()
    watch(progress, ended)
    assert len(answers) == 1


def test_signs_of_life_keep_it_alive(answers: list[dict[Partition, Place] | None]) -> None:
    """Batches that are acked, or tries to reach a server that is away, are progress, however long it takes."""
    answers.append(BEHIND)
    progress, ended, shown = Progress(), Ended(), []

    def show(found: dict[Partition, Place]) -> None:
        shown.append(found)
        if len(shown) < 20:
            progress.give_sign()

    watchdog.start(None, progress, 0.1, show, exit_=ended).join(30)  # type: ignore[arg-type]
    assert ended.codes == [EXIT_CODE]
    assert len(shown) >= 20


def test_one_partition_that_hangs_is_not_hidden_by_others(answers: list[dict[Partition, Place] | None]) -> None:
    """Each partition has its own patience: acks of another one are no progress of this one."""
    other = ("impressions", 1)
    answers.append({TP: Place(0, 5, 0), other: Place(0, 10_000, 0)})
    progress, ended = Progress(), Ended()
    progress.assign([TP, other])

    def show(_: dict[Partition, Place]) -> None:
        progress.acked[other] += 1

    watchdog.start(None, progress, 0.1, show, exit_=ended).join(30)  # type: ignore[arg-type]
    assert ended.codes == [EXIT_CODE]


def test_who_is_asked_to_end_has_only_so_long(
    answers: list[dict[Partition, Place] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that can not end in order, since a server it needs for that is away, ends all the same."""
    monkeypatch.setattr(watchdog, "END_SECONDS", 0.05)
    answers.append(DONE)
    ended = Ended()
    watchdog.start(None, Progress(), 0.1, is_ending=lambda: True, exit_=ended).join(30)  # type: ignore[arg-type]
    assert ended.codes == [EXIT_CODE]
