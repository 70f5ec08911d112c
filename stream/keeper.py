"""Keeps the counts of a worker's partitions whole, and knows what was sent of them.

A partition is looked at when it is assigned and whenever Redis is not the one that it was: the last scores say up to
which offset impressions were scored, Redis' fence up to which they are counted. What was scored and is no longer
counted is counted again from the topic, without being scored again. Only when that is done for all partitions, by
whoever owns them, does the store count new impressions (see store.whole); so these find the counts of all that was
scored before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from faust.types import TP

from store.apply import Apply
from store.keyspace import Source
from store.whole import Known, Whole
from stream import reader, score
from stream.lanes import GivenUpError, Lanes
from stream.settings import StreamSettings

logger = logging.getLogger(__name__)

TAIL = 2000  # scores at a partition's end that are looked at
# More than can be uncommitted: scores this far ahead of the committed offset are of another life of the topic.
FAR = 1_000_000
_ROUND = 1.0  # seconds between two looks at Redis while nobody waits
_WAIT = 0.02

Retried = Callable[..., Awaitable[Any]]


class _Sent(msgspec.Struct):
    """The part of a score that says what was sent."""

    id: str
    partition: int
    offset: int
    batch: int


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
    ) -> None:
        self.sent: dict[TP, int] = {}  # offset before which all is scored and sent
        self.draining = False  # partitions are being taken away, or the worker ends
        self._settings = settings
        self._consumer = consumer
        self._apply = apply
        self._whole = whole
        self._partitions_of = partitions_of
        self._redis = redis
        self._kafka = kafka
        self._is_open = False
        self._wanted = asyncio.Event()

    def drain(self) -> None:
        """Partitions may be taken away: nobody waits any longer, and all is looked at anew when they are assigned."""
        self.draining = True
        self.sent.clear()

    def resume(self) -> None:
        """Partitions were assigned."""
        self.draining = False
        self._wanted.set()

    async def wait_until_open(self, tp: TP) -> None:
        """Wait until new impressions of the partition may be counted.

        Raises:
            GivenUpError: the partition is being taken away, or the worker ends.
        """
        self._is_open = False
        self._wanted.set()
        while not (self._is_open and tp in self.sent):
            if self.draining:
                raise GivenUpError(str(tp))
            await asyncio.sleep(_WAIT)

    async def run(self, lanes: Lanes) -> None:
        """Look at all partitions, again and again."""
        said = ""
        while True:
            pause = _WAIT
            if not self.draining:
                try:
                    await self._look(lanes)
                    pause = _ROUND if self._is_open else _WAIT
                except Exception as error:  # the next round tries again
                    pause = _ROUND
                    problem = f"{type(error).__name__}: {error}"
                    if problem != said and not self.draining:
                        said = problem
                        logger.warning("partitions could not be made whole, trying again: %s", problem)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)
            self._wanted.clear()

    async def _look(self, lanes: Lanes) -> None:
        topic = self._settings.impressions_topic
        assigned = [tp for tp in self._consumer().assignment() if tp.topic == topic]
        if not assigned:
            return
        for tp in assigned:
            source = Source(tp.topic, tp.partition)
            known: Known = await self._redis(self._whole.begin, source)
            if tp not in self.sent or tp.partition not in known.whole:
                async with lanes.at_work(tp):
                    await self._make_whole(tp, source)
        known = await self._redis(self._whole.begin, Source(topic, assigned[0].partition))
        self._is_open = len(known.whole) >= await self._partitions_of(topic)

    async def _make_whole(self, tp: TP, source: Source) -> None:
        known: Known = await self._redis(self._whole.begin, source)
        committed: int = await self._kafka(self._consumer().committed, tp)
        sent = await self._last_sent(source)
        if not await self._is_same_topic(source, known, sent):
            where = f"{source.topic}/{source.partition}"
            logger.warning("%s: fence and scores are of another topic of this name: beginning anew", where)
            await self._redis(self._whole.forget, source)
            known, sent = known._replace(fence=None), None
        scored = sent.offset + 1 if sent and sent.offset < committed + FAR else 0
        if source.partition not in known.whole:
            done = max(scored, committed)
            if (known.fence or 0) < done:
                await self._count_again(source, known.fence or 0, done)
            if not await self._redis(self._whole.finish, source, known.run, sent.batch if sent else 0, done):
                return  # Redis went away meanwhile: the next round begins anew
        if not self.draining:
            self.sent[tp] = scored

    async def _last_sent(self, source: Source) -> _Sent | None:
        """The furthest score of the source in its partition of the scores topic."""
        topic = self._settings.scores_topic
        partition = source.partition % await self._partitions_of(topic)
        servers = self._settings.kafka_bootstrap_servers
        records = await self._kafka(reader.tail, servers, topic, partition, TAIL)
        found = [msgspec.json.decode(record.value or b"", type=_Sent) for record in records]
        mine = [sent for sent in found if sent.partition == source.partition]
        if not mine:
            return None
        furthest = max(mine, key=lambda sent: sent.offset)
        return _Sent(furthest.id, source.partition, furthest.offset, max(sent.batch for sent in mine))

    async def _is_same_topic(self, source: Source, known: Known, sent: _Sent | None) -> bool:
        """Whether fence and scores speak of this topic, not of one that was deleted and made anew under its name.

        Then the fence may be beyond its end, and the impression where the furthest score says is another one.
        """
        servers = self._settings.kafka_bootstrap_servers
        newest = await self._kafka(reader.tail, servers, source.topic, source.partition, 1)
        end = newest[-1].offset + 1 if newest else 0
        if max(known.fence or 0, sent.offset + 1 if sent else 0) > end:
            return False
        if sent is None:
            return True
        async for records in reader.stretch(servers, source.topic, source.partition, sent.offset, sent.offset + 1):
            for shown in score.decode(source, records).impressions:
                return shown.id == sent.id
        return True  # it is gone by retention: nothing speaks against it

    async def _count_again(self, source: Source, start: int, stop: int) -> None:
        """Count the impressions with start <= offset < stop, which are scored already."""
        where = f"{source.topic}/{source.partition}"
        logger.warning("%s: Redis has lost the counts of offsets %d..%d: counting them again", where, start, stop - 1)
        servers = self._settings.kafka_bootstrap_servers
        expected = start
        async for records in reader.stretch(servers, source.topic, source.partition, start, stop):
            if not records:
                continue
            if records[0].offset > expected:
                logger.error("%s: offsets %d..%d are gone from the topic", where, expected, records[0].offset - 1)
            expected = records[-1].offset + 1
            observations = score.decode(source, records).observations
            await self._redis(self._apply, source, records[-1].offset, observations, stop, 0)
            if self.draining:
                raise GivenUpError(where)
        logger.warning("%s: counted again", where)
