"""The Faust app: reads record batches, has them counted, scores them, sends the scores, acks.

`ctr worker` and `faust -A stream.app worker` start it; `app` is made when it is first asked for.
"""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import faust
from faust.types import TP, EventT
from yarl import URL

from model import bundle
from store.apply import ClosedError, applier
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings
from store.whole import Whole
from stream import logs, score, watchdog
from stream.keeper import Keeper
from stream.lanes import Events, GivenUpError, Lanes
from stream.retry import passes_by_itself, retrying
from stream.settings import StreamSettings
from stream.transport import Outgoing, RecordBatchSchema

logger = logging.getLogger(__name__)


def __getattr__(name: str) -> faust.App:
    """Makes `stream.app.app` on demand, so that importing this module does no work."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    made = make_app(StreamSettings(), StoreSettings())
    globals()["app"] = made
    return made


def make_app(settings: StreamSettings, store_settings: StoreSettings) -> faust.App:
    """The worker's app.

    Raises:
        model.bundle.BundleError: the bundle can not be served.
    """
    app = _faust_app(settings)
    worker = _Worker(app, settings, store_settings, bundle.load(settings.bundle))

    @app.agent(app.topic(settings.impressions_topic, schema=RecordBatchSchema()), name="score")
    async def score_impressions(batches: Any) -> None:
        # noack: Faust acks a batch whatever became of it; a lane acks it when its scores are confirmed.
        async for event in batches.noack().events():
            await worker.lanes.put(event)

    @app.task
    async def keep_partitions_whole() -> None:
        logs.quieten(logging.getLogger())  # here: Faust has set its handlers up by now
        app.consumer.on_drain = worker.keeper.drain
        watchdog.start(
            settings.kafka_bootstrap_servers, settings.consumer_group, worker.progress, settings.watchdog_seconds
        )
        await worker.keeper.run(worker.lanes)

    @app.on_partitions_assigned.connect
    async def resume(_: faust.App, assigned: set[TP], **__: Any) -> None:
        logger.info(
            "assigned: %s", ", ".join(sorted(f"{tp.topic}/{tp.partition}" for tp in assigned)) or "no partition"
        )
        worker.progress.assign((tp.topic, tp.partition) for tp in assigned)
        worker.keeper.resume()

    @app.on_before_shutdown.connect
    async def stop_lanes(*_: Any, **__: Any) -> None:
        await worker.lanes.stop()

    return app


def _faust_app(settings: StreamSettings) -> faust.App:
    app = faust.App(
        settings.consumer_group,
        broker=[URL(f"records://{server.strip()}") for server in settings.kafka_bootstrap_servers.split(",")],
        broker_commit_interval=settings.commit_interval_seconds,
        broker_commit_every=16,  # acked batches: bounds what is redelivered, and with it the store's log of replies
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 5,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=10_000,  # added partitions must be owned soon: the store waits for all of them
        producer_metadata_max_age_ms=10_000,
        consumer_max_fetch_size=settings.fetch_max_bytes,
        producer_acks=-1,
        producer_max_batch_size=1_000_000,  # a batch of ours is one batch on the wire; brokers take 1 MiB
        producer_max_request_size=1_048_576,
        producer_linger=0,  # batches come whole: waiting would gain nothing
        stream_buffer_maxsize=32,  # batches; the lanes empty it, and one that is full makes aiokafka pause for 100 ms
        stream_wait_empty=True,  # on SIGTERM and rebalance: batches at work are finished and committed
        topic_allow_declare=False,  # topics are made by their owners, with the partitions they chose
        topic_disable_leader=True,
        web_enabled=False,
        datadir=Path(tempfile.gettempdir()) / "ctr-stream-faust",  # Faust makes it, we keep nothing there
        store="memory://",
    )
    # The setting alone does not hold: `faust worker` turns the web server on, and two workers would fight for its port.
    app.boot_strategy.enable_web = False
    return app


class _Worker:
    """What scores record batches: the store, the bundle, the lanes, the keeper."""

    def __init__(
        self, app: faust.App, settings: StreamSettings, store_settings: StoreSettings, served: bundle.Bundle
    ) -> None:
        client = connect(store_settings)
        self._app = app
        self._settings = settings
        self._apply = applier(client, store_settings)
        self._encode = score.encoder(served)
        self.progress = watchdog.Progress()
        self._redis = retrying("Redis", settings.retry_max_seconds, self._is_giving_up, self.progress.give_sign)
        self._kafka = retrying("Kafka", settings.retry_max_seconds, self._is_giving_up, self.progress.give_sign)
        self.keeper = Keeper(
            settings,
            lambda: app.consumer,
            self._apply,
            Whole(client, store_settings),
            self._partitions_of,
            self._redis,
            self._kafka,
        )
        self.lanes = Lanes(self._score, self._is_current, self._forget, app.crash)

    async def _score(self, events: Events) -> None:
        """Score record batches of one partition and ack them."""
        tp = events[0].message.tp
        while not await self._try_score(tp, events):
            await self.keeper.wait_until_open(tp)
        for event in events:
            event.ack()
        self.progress.acked[tp.topic, tp.partition] = events[-1].message.offset + 1
        self.progress.give_sign()

    async def _try_score(self, tp: TP, events: Events) -> bool:
        """Score, unless the counts are not known to be whole; whether it was done."""
        source = Source(tp.topic, tp.partition)
        async with self.lanes.at_work(tp):
            if tp not in self.keeper.sent:
                return False
            sent = self.keeper.sent[tp]
            decoded = score.decode(
                source, [record for event in events for record in event.value if record.offset >= sent]
            )
            committed = self._app.consumer.committed_offset(tp)
            partitions = await self._partitions_of(tp.topic)
            last = events[-1].message.offset
            try:
                counted = await self._redis(self._apply, source, last, decoded.observations, committed, partitions)
                scored = self._encode(source, decoded, counted, time.time())
                # Dead letters first: a score that is there says that all before it is done.
                rejected = score.encode_rejected(decoded) + scored.rejected
                await self._send(self._settings.dead_letters_topic, tp.partition, rejected)
                await self._send(self._settings.scores_topic, tp.partition, scored.scores)
            except ClosedError:
                return False
            except Exception as error:
                if self.keeper.draining and passes_by_itself(error):
                    raise GivenUpError(str(tp)) from error
                raise
            return True

    async def _send(self, topic: str, partition: int, outgoing: list[Outgoing]) -> None:
        if outgoing:
            # The same key goes to the same partition, in order, without hashing keys again.
            target = partition % await self._partitions_of(topic)
            await self._kafka(self._app.producer.send_records, topic, target, outgoing)

    async def _partitions_of(self, topic: str) -> int:
        return int(await self._app.producer.partitions_of(topic))

    def _is_giving_up(self) -> bool:
        return self.keeper.draining

    def _is_current(self, event: EventT[Any]) -> bool:
        return not self.keeper.draining and event.message.generation_id == self._app.consumer_generation_id

    def _forget(self, event: EventT[Any]) -> None:
        self._app.consumer.forget(event.message)
