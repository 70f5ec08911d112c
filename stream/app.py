"""The Faust app: reads record batches, has them counted, scores them, sends the scores, acks.

`ctr worker` and `faust -A stream.app worker` start it; `app` is made when it is first asked for.
"""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import faust
from faust.types import TP
from yarl import URL

from model import bundle
from model.bundle import Bundle
from store.apply import applier
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings
from stream import score
from stream.lanes import Events, Lanes
from stream.retry import retrying
from stream.settings import StreamSettings
from stream.transport import RecordBatchSchema

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
    lanes = Lanes(_scorer(app, settings, store_settings, bundle.load(settings.bundle)), app.crash)

    @app.agent(app.topic(settings.impressions_topic, schema=RecordBatchSchema()), name="score")
    async def score_impressions(batches: Any) -> None:
        # noack: Faust acks a batch whatever became of it; a lane acks it when its scores are confirmed.
        async for event in batches.noack().events():
            await lanes.put(event)

    @app.on_partitions_assigned.connect
    async def say_assigned(_: faust.App, assigned: set[TP], **__: Any) -> None:
        logger.info(
            "assigned: %s", ", ".join(sorted(f"{tp.topic}/{tp.partition}" for tp in assigned)) or "no partition"
        )

    @app.on_before_shutdown.connect
    async def stop_lanes(*_: Any, **__: Any) -> None:
        await lanes.stop()

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


def _scorer(app: faust.App, settings: StreamSettings, store_settings: StoreSettings, served: Bundle) -> Any:
    """The function that scores record batches of one partition and acks them."""
    apply = applier(connect(store_settings), store_settings)
    encode = score.encoder(served)

    def is_stopping() -> bool:
        return bool(app.should_stop)

    redis = retrying("Redis", settings.retry_max_seconds, is_stopping)
    kafka = retrying("Kafka", settings.retry_max_seconds, is_stopping)

    async def send(topic: str, partition: int, outgoing: list[Any]) -> None:
        if outgoing:
            # The same key goes to the same partition, in order, without hashing keys again.
            target = partition % await app.producer.partitions_of(topic)
            await kafka(app.producer.send_records, topic, target, outgoing)

    async def score_batch(events: Events) -> None:
        tp = events[0].message.tp
        source = Source(tp.topic, tp.partition)
        decoded = score.decode(source, [record for event in events for record in event.value])
        committed = app.consumer.committed_offset(tp)
        counted: Any = await redis(apply, source, events[-1].message.offset, decoded.observations, committed)
        await send(settings.scores_topic, tp.partition, encode(source, decoded, counted, time.time()))
        await send(settings.dead_letters_topic, tp.partition, score.encode_rejected(decoded))
        for event in events:
            event.ack()

    return score_batch
