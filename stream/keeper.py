"""Keeps the counts of a worker's partitions whole, and knows what was sent of them.

A partition is looked at when it is assigned and whenever Redis is not the one that it was: the last scores say up to
which offset impressions were scored, Redis' fence up to which they are counted. What is done and not counted (Redis
lost it, it was scored in degraded mode, or the group was set to a newer offset) is counted from the topic, without
being scored again. Only when that is done for all partitions, by whoever owns them, does the store count new
impressions (see store.whole); so these find the counts of all that was scored before.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from faust.types import TP

from store.apply import Apply
from store.keyspace import Source
from store.whole import Known, Whole
from stream import journal, reader, score
from stream.journal import Sent
from stream.lag import Partition
from stream.lanes import GivenUpError, Lanes, is_cancelled
from stream.metrics import Metrics
from stream.retry import RefusedError, Retried
from stream.settings import StreamSettings
from stream.status import Status

logger = logging.getLogger(__name__)

_ROUND = 1.0  # seconds between two looks at Redis while nobody waits
_WAIT = 0.02


class Keeper:
    """Watches over the partitions that are assigned to this worker.

    Args:
        settings: of the worker.
        consumer: gives the worker's consumer.
        apply: of the store.
        whole: of the store.
        partitions_of: number of partitions of a topic.
        redis: awaits a call until Redis answers.
        kafka: awaits a call until Kafka answers.
        status: is told what the worker waits for.
        metrics: of the worker.
    """

    def __init__(
        self,
        settings: StreamSettings,
        consumer: Callable[[], Any],
        apply: Apply,
        whole: Whole,
        partitions_of: Callable[[str], Awaitable[int]],
        redis: Retried,
        kafka: Retried,
        status: Status,
        metrics: Metrics,
    ) -> None:
        self.sent: dict[TP, int] = {}  # offset before which all was scored and sent when the partition was assigned
        self.next: dict[TP, int] = {}  # offset before which nothing is left to do
        self.counted: set[TP] = set()  # partitions of which all that was sent is counted
        self.fences: dict[Partition, int] = {}
        self.draining = False  # partitions are being taken away, or the worker ends
        self.is_degraded = False
        self._settings = settings
        self._consumer = consumer
        self._apply = apply
        self._whole = whole
        self._partitions_of = partitions_of
        self._redis = redis
        self._kafka = kafka
        self._status = status
        self._metrics = metrics
        self._is_open = False
        self._wanted = asyncio.Event()

    def drain(self) -> None:
        """Partitions may be taken away: nobody waits any longer, and all is looked at anew when they are assigned."""
        self.draining = True
        self.sent.clear()
        self.next.clear()
        self.counted.clear()
        self.fences.clear()
        self._status.wait("group", "group", "partitions are being assigned anew", logging.INFO)

    def resume(self) -> None:
        """Partitions were assigned."""
        self.draining = False
        self._status.wait("counts", "counts", "not looked at yet", logging.INFO)
        self._status.go_on("group")
        self._wanted.set()

    async def wait_until_open(self, tp: TP) -> bool:
        """Wait until new impressions of the partition may be counted; False when they are to be scored uncounted.

        Raises:
            GivenUpError: the partition is being taken away, or the worker ends.
        """
        self._is_open = False
        self._wanted.set()
        limit, since = self._settings.degraded_after_seconds, time.monotonic()
        while not (self._is_open and tp in self.counted):
            if self.draining:
                raise GivenUpError(str(tp))
            if limit is not None and time.monotonic() - since > limit:
                self.degrade()
            if self.is_degraded:
                return False
            await asyncio.sleep(_WAIT)
        return True

    def degrade(self) -> None:
        """Score with empty counts from now on, until all partitions are whole."""
        if not self.is_degraded:
            self.is_degraded = True
            self._status.wait("degraded", "Redis", "away; scoring with empty counts meanwhile")
            logger.warning("scoring with empty counts until Redis is back (DEGRADED_AFTER_SECONDS)")

    def done(self, tp: TP, stop: int) -> None:
        """All before this offset is scored and sent."""
        if tp in self.next:  # else it is being taken away
            self.next[tp] = max(self.next[tp], stop)

    async def look_at_sent(self, tp: TP) -> None:
        """Know what was sent by what Kafka alone knows, where nothing is known of the partition yet.

        Raises:
            GivenUpError: the partition is being taken away, or the worker ends.
            aiokafka.errors.KafkaError: the broker does not answer.
        """
        if tp not in self.sent:
            source = Source(tp.topic, tp.partition)
            committed: int = await self._kafka(self._consumer().committed, tp)
            sent = await self._last_sent(source)
            is_ours = await self._kafka(journal.is_of_this_topic, self._settings, source, 0, sent)
            if self.draining:  # what is known now is of no use to the next assignment
                raise GivenUpError(str(tp))
            self._know(tp, sent.offset + 1 if sent and is_ours else 0, committed)

    def _know(self, tp: TP, scored: int, committed: int) -> None:
        self.sent[tp] = scored
        self.next[tp] = max(self.next.get(tp, 0), scored, committed)

    async def run(self, lanes: Lanes) -> None:
        """Look at all partitions, again and again.

        Raises:
            RefusedError: the worker can not do its work before somebody changes a topic.
        """
        while not is_cancelled():
            pause = _WAIT
            if not self.draining:
                try:
                    await self._look(lanes)
                    self._status.go_on("keeper")
                    pause = _ROUND if self._is_open else _WAIT
                except RefusedError:
                    raise
                except Exception as error:  # the next round tries again
                    pause = _ROUND
                    if not self.draining:
                        self._status.wait("keeper", "counts", f"{type(error).__name__}: {error}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)
            self._wanted.clear()

    async def _look(self, lanes: Lanes) -> None:
        topic = self._settings.impressions_topic
        assigned = [tp for tp in self._consumer().assignment() if tp.topic == topic]
        if not assigned:
            self._status.go_on("counts")
            return
        for tp in assigned:
            source = Source(tp.topic, tp.partition)
            known: Known = await self._redis(self._whole.begin, source)
            self.fences[tp.topic, tp.partition] = known.fence or 0
            if tp not in self.counted or tp.partition not in known.whole:
                async with lanes.at_work(tp):
                    await self._make_whole(tp, source)
        known = await self._redis(self._whole.begin, Source(topic, assigned[0].partition))
        self._set_open(len(known.whole), await self._kafka(self._partitions_of, topic))

    def _set_open(self, whole: int, partitions: int) -> None:
        self._is_open = whole >= partitions
        if not self._is_open:
            why = f"{whole} of {partitions} partitions are whole in this Redis; their owners make them so"
            self._status.wait("counts", "counts", why)
            return
        self._status.go_on("counts")
        if self.is_degraded:
            self.is_degraded = False
            self._status.go_on("degraded")
            logger.warning("counts are back: scoring with them again")

    async def _make_whole(self, tp: TP, source: Source) -> None:
        known: Known = await self._redis(self._whole.begin, source)
        committed: int = await self._kafka(self._consumer().committed, tp)
        sent = await self._last_sent(source)
        if not await self._kafka(journal.is_of_this_topic, self._settings, source, known.fence or 0, sent):
            where = f"{source.topic}/{source.partition}"
            logger.warning("%s: fence and scores are of another topic of this name: beginning anew", where)
            await self._redis(self._whole.forget, source)
            known, sent = known._replace(fence=None, remembered=None), None
        # What Redis forgot the replies of was committed once, so it is done, also where the scores are gone by now.
        scored = max(sent.offset + 1 if sent else 0, known.forgotten)
        done = max(scored, committed)
        if (known.fence or 0) < done:
            await self._count_again(source, known.fence or 0, done)
        if source.partition not in known.whole and not await self._redis(
            self._whole.finish, source, known.run, sent.batch if sent else 0, done
        ):
            return  # Redis went away meanwhile: the next round begins anew
        if not self.draining:
            if committed < scored:
                where = f"{source.topic}/{source.partition}"
                logger.info("%s: offsets %d..%d were scored before: not again", where, committed, scored - 1)
            self._know(tp, scored, committed)
            self.counted.add(tp)

    async def _last_sent(self, source: Source) -> Sent | None:
        topic = self._settings.scores_topic
        partitions: int = await self._kafka(self._partitions_of, topic)
        sent: Sent | None = await self._kafka(journal.last_sent, self._settings, topic, partitions, source)
        return sent

    async def _count_again(self, source: Source, start: int, stop: int) -> None:
        """Count the impressions with start <= offset < stop, which are done already."""
        where = f"{source.topic}/{source.partition}"
        logger.warning("%s: Redis has no counts of the offsets %d..%d: counting them again", where, start, stop - 1)
        begin: int = await self._kafka(reader.begin, self._settings, source.topic, source.partition)
        self._say_what_is_gone(where, start, min(begin, stop))
        async for records in reader.stretch(self._settings, source.topic, source.partition, start, stop):
            if not records:
                continue
            observations = score.decode(source, records).observations
            first, last = records[0].offset, records[-1].offset
            await self._redis(self._apply, source, last, observations, stop, 0, first)
            self._metrics.counted_again.inc(len(observations))
            if self.draining:
                raise GivenUpError(where)
        logger.warning("%s: counted again", where)

    def _say_what_is_gone(self, where: str, start: int, begin: int) -> None:
        if begin > start:
            self._metrics.gone.labels("uncounted").inc(begin - start)
            logger.error(
                "%s: offsets %d..%d are gone from the topic and can not be counted again: going on without them",
                where,
                start,
                begin - 1,
            )
