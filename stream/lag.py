"""How far the consumer group is behind, partition by partition, asked of the broker by a Kafka client of its own."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.metrics import Metrics

logger = logging.getLogger(__name__)

_BROKER_SECONDS = 5.0

Partition = tuple[str, int]  # topic, partition


class Place(NamedTuple):
    """Where the group is in a partition."""

    begin: int  # first offset that the topic still holds
    end: int  # next offset to be produced
    committed: int  # next offset to be scored, as far as the broker knows

    @property
    def lag(self) -> int:
        """Messages that are not committed."""
        return max(0, self.end - max(self.committed, self.begin))


def client(connection: Mapping[str, Any], group: str) -> Consumer:
    """A client that asks for offsets and never subscribes; `connection` is as broker.clients.librdkafka gives it."""
    return Consumer({**connection, "group.id": group, "log_level": 0})


def places(consumer: Consumer, partitions: Iterable[Partition]) -> dict[Partition, Place] | None:
    """Where the group is in each partition; None while the broker does not answer."""
    found = {}
    try:
        for name, partition in partitions:
            tp = TopicPartition(name, partition)
            begin, end = consumer.get_watermark_offsets(tp, timeout=_BROKER_SECONDS, cached=False)
            committed = consumer.committed([tp], timeout=_BROKER_SECONDS)[0].offset
            found[name, partition] = Place(begin, end, max(0, committed))  # below 0: nothing was committed yet
    except KafkaException:
        return None
    return found


class Gauges:
    """Keeps the metrics of the lag; says what left the topic unscored.

    Args:
        metrics: of the worker.
        fences: gives the store's fence of each partition, as far as it is known.
        clock: seconds, rising.
    """

    def __init__(
        self, metrics: Metrics, fences: Callable[[], dict[Partition, int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._metrics = metrics
        self._fences = fences
        self._clock = clock
        self._moved: dict[Partition, tuple[int, float]] = {}  # committed offset, and since when it is that

    def show(self, found: dict[Partition, Place]) -> None:
        """Set the gauges to these places, and remove those of partitions that are no longer ours."""
        fences, now = self._fences(), self._clock()
        for gone in self._moved.keys() - found.keys():
            del self._moved[gone]
            for gauge in (self._metrics.lag, self._metrics.committed_age, self._metrics.fence_lag):
                gauge.remove(str(gone[1]))
        for partition, place in found.items():
            committed, since = self._moved.get(partition, (-1, now))
            if committed != place.committed or not place.lag:
                since = now
                self._look_for_gone(partition, place)
            self._moved[partition] = (place.committed, since)
            label = str(partition[1])
            self._metrics.lag.labels(label).set(place.lag)
            self._metrics.committed_age.labels(label).set(now - since)
            self._metrics.fence_lag.labels(label).set(fences.get(partition, place.committed) - place.committed)

    def _look_for_gone(self, partition: Partition, place: Place) -> None:
        if 0 < place.committed < place.begin:
            self._metrics.gone.labels("unscored").inc(place.begin - place.committed)
            logger.error(
                "%s/%d: offsets %d..%d left the topic before they were scored: its retention is shorter than our lag",
                *partition,
                place.committed,
                place.begin - 1,
            )
