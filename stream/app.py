"""The Faust app: reads record batches, has them counted, scores them, sends the scores, acks.

`ctr worker` and `faust -A stream.app worker` start it; `app` is made when it is first asked for.
"""

import logging
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import faust
import mode.loop
from faust.auth import Credentials
from faust.types import TP
from yarl import URL

from broker.clients import librdkafka, ssl_context
from model import bundle
from store.settings import StoreSettings
from stream import garbage, lag, watchdog
from stream.settings import StreamSettings
from stream.transport import RecordBatchSchema
from stream.worker import Worker

logger = logging.getLogger(__name__)


def __getattr__(name: str) -> faust.App:
    """Makes `stream.app.app` on demand, so that importing this module does no work."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    settings, store_settings = StreamSettings(), StoreSettings()
    use_uvloop(settings, store_settings)
    made = make_app(settings, store_settings)
    globals()["app"] = made
    return made


def use_uvloop(settings: StreamSettings, store_settings: StoreSettings) -> None:
    """Have the event loops that are made from now on be uvloop's: about a tenth of a worker's time (decision 0010).

    For programs, at their beginning. Loops stay asyncio's where there is no uvloop (Windows), and where Kafka or Redis
    is spoken to by TLS: there a request of scores hung, with uvloop 0.23 (tests/integration/test_secured.py).
    """
    encrypted = settings.kafka_security_protocol.endswith("SSL") or store_settings.redis_url.startswith("rediss:")
    if not encrypted:
        with suppress(ImportError):
            mode.loop.use("uvloop")


def make_app(settings: StreamSettings, store_settings: StoreSettings) -> faust.App:
    """The worker's app.

    Raises:
        model.bundle.BundleError: the bundle can not be served.
    """
    app = _faust_app(settings)
    worker = Worker(app, settings, store_settings, bundle.load(settings.bundle))

    async def before_start() -> None:
        # First of all: a broker that goes while we start leaves Faust hanging when it is asked to end.
        gauges = lag.Gauges(worker.metrics, lambda: worker.keeper.fences)
        client = lag.client(librdkafka(settings), settings.consumer_group)
        watchdog.start(client, worker.progress, settings.watchdog_seconds, gauges.show, lambda: app.should_stop)
        await worker.wait_for_kafka()

    app.before_start = before_start

    @app.agent(app.topic(settings.impressions_topic, schema=RecordBatchSchema()), name="score")
    async def score_impressions(batches: Any) -> None:
        # noack: Faust acks a batch whatever became of it; a lane acks it when its scores are confirmed.
        async for event in batches.noack().events():
            await worker.lanes.put(event)

    @app.task
    async def keep_partitions_whole() -> None:
        app.consumer.on_drain = worker.keeper.drain
        await worker.keeper.run(worker.lanes)

    @app.task
    async def watch_memory() -> None:
        await worker.watch_memory()

    app.task(garbage.collect_now_and_then)

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


class _App(faust.App):  # type: ignore[misc]
    """Faust's app, with something to do before its producer and consumer start, and a setting more."""

    before_start: Callable[[], Awaitable[None]]
    gather_seconds: float  # see stream.transport.ConsumerThread

    async def on_first_start(self) -> None:
        """Called by Faust."""
        await super().on_first_start()
        await self.before_start()


def _faust_app(settings: StreamSettings) -> _App:
    app = _App(
        settings.consumer_group,
        broker=[URL(f"records://{server.strip()}") for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
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
        producer_request_timeout=settings.kafka_timeout_seconds,  # Faust's own is 20 minutes
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
    app.gather_seconds = settings.gather_seconds
    return app


def _credentials(settings: StreamSettings) -> Credentials | None:
    """What Faust logs in with and checks the brokers' certificates by; None without either."""
    tls = ssl_context(settings) if settings.uses_tls else None
    if settings.uses_sasl:
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=tls,
        )
    return faust.SSLCredentials(tls) if tls else None
