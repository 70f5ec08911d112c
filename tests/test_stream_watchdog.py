"""The watchdog ends what hangs, and nothing else."""

import threading

import pytest

from stream import watchdog
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


@pytest.fixture
def lag(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lag that the broker tells: the list's only number."""
    told = [5]
    monkeypatch.setattr(watchdog, "_lag", lambda consumer, progress: told[0])
    return told


def test_lag_without_a_sign_of_life_ends_the_process(lag: list[int]) -> None:
    """With messages to do and nothing done for the set time the process ends, with a code of its own."""
    ended = Ended()
    watchdog.start("127.0.0.1:1", "group", Progress(), 0.1, ended).join(10)
    assert ended.codes == [EXIT_CODE]


def test_signs_of_life_and_an_empty_queue_keep_it_alive(lag: list[int]) -> None:
    """While signs come, or nothing is to do, the process is left alone, however long; then patience begins anew."""
    ended, progress, looks = Ended(), Progress(), []

    def look(*_: object) -> int:
        looks.append(len(looks))
        if len(looks) < 20:
            progress.give_sign()
            return 5
        return 0 if len(looks) < 40 else 5

    monkey = pytest.MonkeyPatch()
    monkey.setattr(watchdog, "_lag", look)
    try:
        watchdog.start("127.0.0.1:1", "group", progress, 0.1, ended).join(30)
    finally:
        monkey.undo()
    assert ended.codes == [EXIT_CODE]
    assert len(looks) >= 40


def test_a_broker_that_does_not_answer_is_no_hang_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer about the end of the topic there is no lag to speak of."""
    monkeypatch.setattr(watchdog, "_BROKER_SECONDS", 0.05)
    progress = Progress()
    progress.assign([("impressions", 0)])
    client = watchdog.Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "group", "log_level": 0})
    assert watchdog._lag(client, progress) == 0
    client.close()
