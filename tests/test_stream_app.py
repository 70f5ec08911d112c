"""The worker's app, before it speaks to anybody."""

import asyncio

import fakes
import pytest

from model import bundle
from store.settings import StoreSettings
from stream import watchdog
from stream.app import make_app
from stream.settings import StreamSettings
from stream.worker import Worker


def test_the_watchdog_watches_before_anything_can_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is asked to end while its start hangs is ended by the watchdog, so that one comes first."""
    begun: list[str] = []

    async def wait_for_kafka(_: Worker) -> None:
        begun.append("kafka")

    monkeypatch.setattr(bundle, "load", lambda _: fakes.bundle())
    monkeypatch.setattr(watchdog, "start", lambda *_: begun.append("watchdog"))
    monkeypatch.setattr(Worker, "wait_for_kafka", wait_for_kafka)

    async def start() -> None:
        await make_app(StreamSettings(), StoreSettings()).before_start()

    asyncio.run(start())
    assert begun == ["watchdog", "kafka"]
