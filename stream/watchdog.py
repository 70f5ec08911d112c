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
        """A sign of life: a batch was acked, or Redis or Kafka was tried again."""
        self.sign += 1


def start(
    client: Consumer,
    progress: Progress,
    patience: float,
    show: Callable[[dict[Partition, Place]], None] = lambda found: None,
    exit_: Callable[[int], None] = os._exit,
) -> threading.Thread:
    """Start the watchdog.

    Args:
        client: of `stream.lag`, for this thread alone.
        progress: of the worker.
        patience: seconds with lag and without a sign of life after which the process ends with EXIT_CODE.
        show: given where the group is, once a second.
        exit_: how to end. Not gracefully: what hangs can not be asked to stop.
    """
    thread = threading.Thread(
        target=_watch, args=(client, progress, patience, show, exit_), name="watchdog", daemon=True
    )
    thread.start()
    return thread


def _watch(
    client: Consumer,
    progress: Progress,
    patience: float,
    show: Callable[[dict[Partition, Place]], None],
    exit_: Callable[[int], None],
) -> None:
    sign, since = progress.sign, time.monotonic()
    while True:
        time.sleep(min(1.0, patience / 4))
        found = lag.places(client, list(progress.acked))
        if found is not None:
            show(found)
        todo = _todo(progress, found or {})
        if progress.sign != sign or not todo:  # a broker that does not answer is no hang of ours
            sign, since = progress.sign, time.monotonic()
        elif time.monotonic() - since > patience:
            logger.critical("no progress for %.0f s with %d messages to do: ending", patience, todo)
            exit_(EXIT_CODE)
            return


def _todo(progress: Progress, found: dict[Partition, Place]) -> int:
    """Messages of the assigned partitions that are not acked, or not committed where nothing was acked yet."""
    return sum(
        max(0, place.end - (progress.acked.get(partition) or max(place.committed, place.begin)))
        for partition, place in found.items()
    )
