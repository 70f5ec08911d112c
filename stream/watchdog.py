"""The watchdog: a worker that has lag and gets nothing done ends itself, so that its supervisor starts it anew.

It runs in a thread of its own with a Kafka client of its own: it must work when the event loop, the consumer or its
connection does not (Faust and aiokafka are known to hang after a broker's restart: faust-streaming #175, #523, #684).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer

from stream import lag
from stream.lag import Partition, Place

logger = logging.getLogger(__name__)

EXIT_CODE = 70  # EX_SOFTWARE: not what a stop or a crash of ours gives
END_SECONDS = 25.0  # to end in order when asked to: less than the 30 that Kubernetes gives


class Progress:
    """What the worker did, for the watchdog's thread to look at. Plain assignments: safe between threads."""

    def __init__(self) -> None:
        self.acked: dict[Partition, int] = {}  # next offset of each assigned topic-partition
        self.sign = 0

    def assign(self, partitions: Iterable[Partition]) -> None:
        """These are the worker's partitions now."""
        self.acked = dict.fromkeys(partitions, 0)
        self.give_sign()

    def give_sign(self) -> None:
        """A sign of life beside acks: Redis or Kafka was tried again, or partitions were assigned."""
        self.sign += 1


def start(
    client: Consumer,
    progress: Progress,
    patience: float,
    show: Callable[[dict[Partition, Place]], None] = lambda found: None,
    is_ending: Callable[[], bool] = lambda: False,
    exit_: Callable[[int], None] = os._exit,
) -> threading.Thread:
    """Start the watchdog.

    Args:
        client: of `stream.lag`, for this thread alone.
        progress: of the worker.
        patience: seconds with lag and without a sign of life after which the process ends with EXIT_CODE.
        show: given where the group is, once a second.
        is_ending: whether the worker was asked to end; it has END_SECONDS then, whatever is not there to end it well.
        exit_: how to end. Not gracefully: what hangs can not be asked to stop.
    """
    thread = threading.Thread(
        target=_watch, args=(client, progress, patience, show, is_ending, exit_), name="watchdog", daemon=True
    )
    thread.start()
    return thread


def _watch(
    client: Consumer,
    progress: Progress,
    patience: float,
    show: Callable[[dict[Partition, Place]], None],
    is_ending: Callable[[], bool],
    exit_: Callable[[int], None],
) -> None:
    asked: float | None = None
    stood: dict[Partition, tuple[tuple[int, int], float]] = {}  # what a partition's progress was, and since when
    while True:
        time.sleep(min(1.0, patience / 4))
        if is_ending():
            asked = asked or time.monotonic()
            if time.monotonic() - asked > END_SECONDS:
                logger.critical("asked to end %.0f s ago and still there: ending", END_SECONDS)
                exit_(EXIT_CODE)
                return
            continue
        found = lag.places(client, list(progress.acked))
        if found is not None:
            show(found)
        todo = _todo(progress, found or {})  # a broker that does not answer is no hang of ours
        now = time.monotonic()
        stood = {partition: _since(stood.get(partition), progress, partition, now) for partition in todo}
        for partition, (_, since) in stood.items():
            if now - since > patience:
                logger.critical(
                    "%s/%d: no progress for %.0f s with %d messages to do: ending",
                    *partition,
                    patience,
                    todo[partition],
                )
                exit_(EXIT_CODE)
                return


def _since(
    before: tuple[tuple[int, int], float] | None, progress: Progress, partition: Partition, now: float
) -> tuple[tuple[int, int], float]:
    """The partition's progress, and since when it has been that: each for itself, or one that hangs would be hidden."""
    current = (progress.sign, progress.acked.get(partition, 0))
    return before if before and before[0] == current else (current, now)


def _todo(progress: Progress, found: dict[Partition, Place]) -> dict[Partition, int]:
    """Messages that are not acked, or not committed where nothing was acked yet, in partitions that have any."""
    todo = {
        partition: place.end - (progress.acked.get(partition) or max(place.committed, place.begin))
        for partition, place in found.items()
    }
    return {partition: messages for partition, messages in todo.items() if messages > 0}
