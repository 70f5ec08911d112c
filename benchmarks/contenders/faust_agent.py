"""A Faust agent by its manual: `take_events`, counts for the whole batch, `topic.send` for each score.

Raw bytes in and out: Faust's own codecs and Records would only be slower.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
import redis.asyncio

from benchmarks.contenders import options, scoring
from benchmarks.contenders.options import Options
from benchmarks.contenders.scoring import Wanted

BATCH, WITHIN_SECONDS = 1000, 0.1

Count = Callable[[Wanted], Awaitable[list[int]]]  # one number a window and name


def run(connect: Callable[[redis.asyncio.Redis], Count]) -> None:
    """Run until SIGTERM, with the counts of the function that `connect` makes."""
    given = options.parse()
    app = make_app(given, connect(redis.asyncio.Redis.from_url(given.redis)))
    app.finalize()
    faust.Worker(app, loglevel="info", redirect_stdouts=False).execute_from_commandline()


def make_app(given: Options, count: Count) -> faust.App:
    """The app: one agent."""
    app = faust.App(
        given.group,
        broker=f"kafka://{given.bootstrap}",
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=16_384,
        producer_acks=-1,
        producer_linger=0.02,
        producer_max_batch_size=1_000_000,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=Path(tempfile.gettempdir()) / given.group,  # else a folder where the benchmark is called
        store="memory://",
    )
    app.boot_strategy.enable_web = False
    scores = app.topic(given.scores, key_type=bytes, value_type=bytes)
    encode = scoring.encoder(given.bundle)

    @app.agent(app.topic(given.impressions, key_type=bytes, value_type=bytes))
    async def score(stream: Any) -> None:
        async for events in stream.take_events(BATCH, within=WITHIN_SECONDS):
            await _score(events, count, given.group, encode, scores.send)

    return app


async def _score(events: Any, count: Count, group: str, encode: scoring.Encode, send: Callable[..., Any]) -> None:
    decoded = [(event, scoring.decode(event.value)) for event in events]
    taken = [(event, one) for event, one in decoded if one is not None]
    shown = [one for _, one in taken]
    asked = scoring.wanted(f"{group}:", shown)
    counts = scoring.counts_of(asked, await count(asked) if shown else [])
    places = [(event.message.partition, event.message.offset) for event, _ in taken]
    for (event, _), value in zip(taken, encode(shown, places, counts, time.time()), strict=True):
        await send(key=event.key, value=value)
