"""The keeper, apart from what only real servers show (tests/integration/test_stream_faults.py)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from faust.types import TP

from store.keyspace import Source
from store.whole import Known
from stream import metrics
from stream.keeper import Keeper
from stream.lanes import GivenUpError, Lanes
from stream.settings import StreamSettings
from stream.status import Status

ONE = TP("impressions", 0)


class FakeWhole:
    """A store that holds every partition whole, or fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    async def begin(self, source: Source) -> Known:
        """All is well, or not."""
        self.asked += 1
        if self.error:
            raise self.error
        return Known("run", 5, 0, frozenset({0}))


class FakeConsumer:
    """A consumer that owns one partition."""

    def assignment(self) -> set[TP]:
        """The one."""
        return {ONE}


def keeper(whole: FakeWhole, degraded_after_seconds: float | None = None) -> Keeper:
    """A keeper that calls straight through."""

    async def call(function: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        return await function(*arguments)

    async def partitions_of(topic: str) -> int:
        return 1

    made = Keeper(
        StreamSettings(degraded_after_seconds=degraded_after_seconds),
        FakeConsumer,
        None,  # type: ignore[arg-type]  # nothing is counted again here
        whole,  # type: ignore[arg-type]
        partitions_of,
        call,
        call,
        Status(),
        metrics.make(),
    )
    made.sent[ONE] = 0
    made.counted.add(ONE)
    return made


async def nothing(*_: object) -> None:
    """Score nothing."""


def lanes() -> Lanes:
    """Lanes without work."""
    return Lanes(nothing, lambda _: True, lambda _: None, nothing)


async def test_it_opens_when_all_partitions_are_whole() -> None:
    """Who waits goes on as soon as Redis holds all partitions whole."""
    watching = keeper(FakeWhole())
    task = asyncio.create_task(watching.run(lanes()))
    async with asyncio.timeout(10):
        assert await watching.wait_until_open(ONE)
    task.cancel()


async def test_who_waits_gives_up_when_partitions_are_taken_away() -> None:
    """A rebalance or a shutdown does not wait for a store that is closed."""
    watching = keeper(FakeWhole())
    waiting = asyncio.create_task(watching.wait_until_open(ONE))
    await asyncio.sleep(0)
    watching.drain()
    async with asyncio.timeout(10):
        with pytest.raises(GivenUpError):
            await waiting
    assert (watching.sent, watching.counted) == ({}, set())


async def test_what_keeps_failing_is_tried_again_and_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same failure is one log line however often it happens, and the keeper goes on when it is over."""
    monkeypatch.setattr("stream.keeper._ROUND", 0.001)
    whole = FakeWhole()
    whole.error = RuntimeError("no such topic")
    watching = keeper(whole)
    with caplog.at_level(logging.WARNING, "stream"):
        task = asyncio.create_task(watching.run(lanes()))
        async with asyncio.timeout(10):
            while whole.asked < 20:
                await asyncio.sleep(0.001)
            whole.error = None
            await watching.wait_until_open(ONE)
    task.cancel()
    begun, ended = [line.getMessage() for line in caplog.records]
    assert begun == "waiting for counts: RuntimeError: no such topic"
    assert ended.endswith(" s for counts")


async def test_degraded_mode_begins_after_the_set_time_and_ends_when_redis_is_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for longer than the setting is told to score uncounted; once all is whole again, to count."""
    monkeypatch.setattr("stream.keeper._ROUND", 0.001)
    caplog.set_level(logging.WARNING, "stream.keeper")
    whole = FakeWhole()
    whole.error = RuntimeError("away")
    watching = keeper(whole, degraded_after_seconds=0.05)
    task = asyncio.create_task(watching.run(lanes()))
    async with asyncio.timeout(10):
        assert not await watching.wait_until_open(ONE)
        assert watching.is_degraded
        whole.error = None
        while watching.is_degraded:
            await asyncio.sleep(0.001)
        assert await watching.wait_until_open(ONE)
    task.cancel()
    lines = [record.getMessage() for record in caplog.records if record.name == "stream.keeper"]
    assert lines == [
        "scoring with empty counts until Redis is back (DEGRADED_AFTER_SECONDS)",
        "counts are back: scoring with them again",
    ]


async def test_it_ends_though_something_keeps_the_cancellation_to_itself() -> None:
    """A look that swallows its CancelledError is the last one: the worker can end."""
    whole = FakeWhole()
    looking = asyncio.Event()

    async def swallow(source: Source) -> Known:
        if not looking.is_set():
            looking.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return Known("run", 5, 0, frozenset({0}))

    whole.begin = swallow  # type: ignore[method-assign]
    task = asyncio.create_task(keeper(whole).run(lanes()))
    async with asyncio.timeout(10):
        await looking.wait()
        task.cancel()
        await asyncio.wait([task])
