"""A worker: has record batches counted, scores them, sends the scores, acks."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import faust
import numpy as np
from faust.types import TP, EventT

from model import bundle
from model.watch import Watch, observe_all
from store.apply import ClosedError, applier
from store.client import connect, memory
from store.client import passes_by_itself as is_redis_away
from store.gather import gathered
from store.keyspace import Source
from store.settings import StoreSettings
from store.whole import Whole
from stream import gaps, health, logs, metrics, reader, score, watchdog
from stream.keeper import Keeper
from stream.lanes import Events, GivenUpError, Lanes
from stream.retry import passes_by_itself, retrying
from stream.settings import StreamSettings
from stream.status import Status
from stream.transport import Outgoing, Record

# Impressions of one partition that are acked and not committed, at the most. With a batch of MAX_WAITING and what one
# fetch brings it bounds the store's log of replies: about 50 bytes an impression, so 3 MB a partition.
MAX_UNCOMMITTED = 50_000

# Batches of several partitions that come out of one fetch are counted in one round trip, and scored by one call. The
# wait is for their lanes, which decode one after the other; a batch of LARGE impressions goes alone, so that under load
# one lane computes while another waits for Redis.
GATHER_SECONDS = 0.001
LARGE = 400

MEMORY_SECONDS = 5.0  # between two looks at the memory of Redis


class Worker:
    """What scores record batches: the store, the bundle, the lanes, the keeper."""

    def __init__(
        self, app: faust.App, settings: StreamSettings, store_settings: StoreSettings, served: bundle.Bundle
    ) -> None:
        client = self._client = connect(store_settings)
        self._app = app
        self._settings = settings
        self._apply = applier(client, store_settings, GATHER_SECONDS)
        self.progress = watchdog.Progress()
        self.status = Status()
        self.metrics = metrics.make()
        encode = score.encoder(served, self._stage, Watch(served, self.metrics.registry).observe)

        async def encode_all(batches: Sequence[score.Batch]) -> list[score.Scored]:
            return encode(batches, time.time())

        # Those whose counts came in one answer are encoded in one turn of the event loop: nobody waits.
        self._encode = gathered(encode_all, lambda batch: len(batch.counted), LARGE, 0.0)
        pause, sign = settings.retry_max_seconds, self.progress.give_sign
        self._redis = retrying(
            "Redis", pause, self._is_giving_up, self.status, sign, longest_wait=settings.degraded_after_seconds
        )
        self._kafka = retrying(
            "Kafka", pause, self._is_giving_up, self.status, sign, refused_after=settings.kafka_timeout_seconds
        )
        self.keeper = Keeper(
            settings,
            lambda: app.consumer,
            self._apply,
            Whole(client, store_settings),
            self._partitions_of,
            self._redis,
            self._kafka,
            self.status,
            self.metrics,
        )
        self.lanes = Lanes(self._score, self._is_current, self._forget, app.crash)

    async def wait_for_kafka(self) -> None:
        """Answer those who watch, then wait for a broker: what starts first must not end because of it."""
        logs.quieten(logging.getLogger())  # here: Faust has set its handlers up by now
        health.serve(self._settings.metrics_host, self._settings.metrics_port, self.status, self.metrics)
        self.status.wait("group", "group", "partitions are not assigned yet", logging.INFO)
        wait = retrying("Kafka", self._settings.retry_max_seconds, lambda: self._app.should_stop, self.status)
        await wait(reader.answers, self._settings)

    async def _score(self, events: Events) -> None:
        """Score record batches of one partition and ack them."""
        tp = events[0].message.tp
        await self._wait_for_commit(tp)
        while not await self._try_score(tp, events):
            if not await self.keeper.wait_until_open(tp):
                await self._score_degraded(tp, events)
                break
        for event in events:
            event.ack()
        self.progress.acked[tp.topic, tp.partition] = events[-1].message.offset + 1
        messages = sum(len(event.value) for event in events)
        self.metrics.impressions.inc(messages)
        self.metrics.batch_impressions.observe(messages)

    async def _wait_for_commit(self, tp: TP) -> None:
        """Let the broker confirm what is done: the store keeps the replies of all that is not committed."""
        acked = self.progress.acked.get((tp.topic, tp.partition), 0)
        while acked - self._app.consumer.committed_offset(tp) > MAX_UNCOMMITTED and not self.keeper.draining:
            await asyncio.sleep(0.02)

    async def _try_score(self, tp: TP, events: Events) -> bool:
        """Score, unless the counts are not known to be whole; whether it was done."""
        source = Source(tp.topic, tp.partition)
        async with self.lanes.at_work(tp):
            if tp not in self.keeper.counted:
                return False
            with self._stage("decode"):
                records = await self._records(tp, events)
                decoded = score.decode(source, records)
            first = records[0].offset if records else None
            committed = self._app.consumer.committed_offset(tp)
            partitions = await self._kafka(self._partitions_of, tp.topic)
            last = events[-1].message.offset
            try:
                with self._stage("redis"):
                    counted = await self._redis(
                        self._apply, source, last, decoded.observations, committed, partitions, first
                    )
            except ClosedError:
                return False
            except Exception as error:
                if self._settings.degraded_after_seconds and not self.keeper.draining and is_redis_away(error):
                    self.keeper.degrade()
                    return False
                raise self._given_up(tp, error) from error
            await self._send_all(tp, decoded, await self._encode(score.Batch(source, decoded, counted)))
            self.keeper.done(tp, last + 1)
            return True

    async def _score_degraded(self, tp: TP, events: Events) -> None:
        """Score with empty counts; what was not counted so is counted by the keeper when Redis is back."""
        source = Source(tp.topic, tp.partition)
        async with self.lanes.at_work(tp):
            self.keeper.counted.discard(tp)
            await self.keeper.look_at_sent(tp)
            decoded = score.decode(source, await self._records(tp, events))
            counted = [score.NOT_COUNTED] * len(decoded.observations)
            scored = await self._encode(score.Batch(source, decoded, counted))
            await self._send_all(tp, decoded, scored)
            self.keeper.done(tp, events[-1].message.offset + 1)
            self.metrics.degraded_scores.inc(len(scored.scores))

    async def _records(self, tp: TP, events: Events) -> list[Record]:
        expected, sent = self.keeper.next[tp], self.keeper.sent[tp]  # before any await: a drain forgets them

        async def read(start: int, stop: int) -> list[Record]:
            found: list[Record] = await self._kafka(reader.between, self._settings, tp.topic, tp.partition, start, stop)
            return found

        batches: list[list[Record]] = [event.value for event in events]
        records = await gaps.filled(batches, expected, read)
        return [record for record in records if record.offset >= sent]

    async def _send_all(self, tp: TP, decoded: score.Decoded, scored: score.Scored) -> None:
        """Send what came of a record batch: dead letters first, since a score says that all before it is done."""
        try:
            with self._stage("send"):
                await self._send(self._settings.dead_letters_topic, tp.partition, score.encode_rejected(decoded))
                await self._send(self._settings.dead_letters_topic, tp.partition, scored.rejected)
                await self._send(self._settings.scores_topic, tp.partition, scored.scores)
        except Exception as error:
            raise self._given_up(tp, error) from error
        self.metrics.scores.inc(len(scored.scores))
        stamps = np.array([timestamp for _, _, timestamp, _ in scored.scores], dtype=float)
        observe_all(self.metrics.latency, time.time() - stamps / 1000)
        for reason, letters in score.count_reasons(decoded, scored).items():
            self.metrics.dead_letters.labels(reason).inc(letters)

    def _stage(self, name: str) -> AbstractContextManager[object]:
        return self.metrics.stages.labels(name).time()

    async def watch_memory(self) -> None:
        """Show how full Redis is, again and again; while it is away the last figures stand."""
        while True:
            with suppress(Exception):  # whatever is wrong with Redis, the lanes say it
                used, limit = await memory(self._client)
                self.metrics.redis_used.set(used)
                self.metrics.redis_limit.set(limit)
            await asyncio.sleep(MEMORY_SECONDS)

    def _given_up(self, tp: TP, error: Exception) -> Exception:
        """The error, or what says that it only kept us from ending in order."""
        return GivenUpError(str(tp)) if self.keeper.draining and passes_by_itself(error) else error

    async def _send(self, topic: str, partition: int, outgoing: list[Outgoing]) -> None:
        if outgoing:
            # The same key goes to the same partition, in order, without hashing keys again.
            target = partition % await self._kafka(self._partitions_of, topic)
            await self._kafka(self._app.producer.send_records, topic, target, outgoing)

    async def _partitions_of(self, topic: str) -> int:
        return int(await self._app.producer.partitions_of(topic))

    def _is_giving_up(self) -> bool:
        return self.keeper.draining

    def _is_current(self, event: EventT[Any]) -> bool:
        return not self.keeper.draining and event.message.generation_id == self._app.consumer_generation_id

    def _forget(self, event: EventT[Any]) -> None:
        self._app.consumer.forget(event.message)
