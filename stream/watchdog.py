"""The watchdog: a worker that has lag and gets nothing done ends itself, so that its supervisor starts it anew.

It runs in a thread of its own with a Kafka client of its own: it must work when the event loop, the consumer or its
connection does not (Faust and aiokafka are known to hang after a broker's restart: faust-streaming #175, #523, #684).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

logger = logging.getLogger(__name__)

EXIT_CODE = 70  # EX_SOFTWARE: not what a stop or a crash of ours gives
_BROKER_SECONDS = 5.0


class Progress:
    """What the worker did, for the watchdog's thread to look at. Plain assignments: safe between threads."""

    def __init__(self) -> None:
        self.acked: dict[tuple[str, int], int] = {}  # next offset of each assigned topic-partition
        self.sign = 0

    def assign(self, partitions: Iterable[tuple[str, int]]) -> None:
        """These are the worker's partitions now."""
        self.acked = dict.fromkeys(partitions, 0)
        self.give_sign()

    def give_sign(self) -> None:
        """A sign of life: a batch was acked, or Redis or Kafka was tried again."""
        self.sign += 1


def start(
    bootstrap_servers: str,
    group: str,
    progress: Progress,
    patience: float,
    exit_: Callable[[int], None] = os._exit,
) -> threading.Thread:
    """Start the watchdog.

    Args:
        bootstrap_servers: host:port, comma separated.
        group: the consumer group, whose committed offset counts where nothing was acked yet.
        progress: of the worker.
        patience: seconds with lag and without a sign of life after which the process ends with EXIT_CODE.
        exit_: how to end. Not gracefully: what hangs can not be asked to stop.
    """
    thread = threading.Thread(
        target=_watch, args=(bootstrap_servers, group, progress, patience, exit_), name="watchdog", daemon=True
    )
    thread.start()
    return thread


def _watch(
    bootstrap_servers: str, group: str, progress: Progress, patience: float, exit_: Callable[[int], None]
) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group, "log_level": 0})  # never subscribes
    sign, since = progress.sign, time.monotonic()
    while True:
        time.sleep(min(1.0, patience / 4))
        if progress.sign != sign or not _lag(consumer, progress):
            sign, since = progress.sign, time.monotonic()
        elif time.monotonic() - since > patience:
            logger.critical("no progress for %.0f s with %d messages to do: ending", patience, _lag(consumer, progress))
            exit_(EXIT_CODE)
            return


def _lag(consumer: Consumer, progress: Progress) -> int:
    """Messages of the assigned partitions that are not acked; 0 while the broker does not answer, which is no hang."""
    lag = 0
    for (topic, partition), acked in list(progress.acked.items()):
        tp = TopicPartition(topic, partition)
        try:
            _, end = consumer.get_watermark_offsets(tp, timeout=_BROKER_SECONDS, cached=False)
            done = acked or max(0, consumer.committed([tp], timeout=_BROKER_SECONDS)[0].offset)
        except KafkaException:
            return 0
        lag += max(0, end - done)
    return lag
