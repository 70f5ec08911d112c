"""The transport's hand-over: what is fetched reaches Faust's queue at once, in order, and ends in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import faust
import pytest
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP

from stream.transport import Consumer

_HERE, _THERE = TP("impressions", 0), TP("impressions", 1)


class Message(NamedTuple):
    """As much of a message as the hand-over looks at."""

    offset: int


class Fetched:
    """A consumer's fetches: gives each, then stops the consumer or raises."""

    def __init__(self, fetches: list[list[tuple[TP, Message]]], at_end: Callable[[], None]) -> None:
        self._fetches = iter(fetches)
        self._at_end = at_end

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """The next fetch."""
        fetch = next(self._fetches, None)
        if fetch is None:
            self._at_end()
            return
        for one in fetch:
            yield one


def _handed_over(
    fetches: list[list[tuple[TP, Message]]],
    at_end: Callable[[faust.App], None] = lambda _: None,
    before: Callable[[Consumer], None] = lambda _: None,
) -> list[tuple[int, Message]]:
    """What the consumer's callback was told, each with the turn of the event loop in which it was."""

    async def drain() -> list[tuple[int, Message]]:
        app = faust.App("test", broker="records://127.0.0.1:1", store="memory://", loop=asyncio.get_running_loop())
        found: list[tuple[int, Message]] = []
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def callback(message: Any) -> None:
            found.append((turns, message))

        async def rebalanced(_: set[TP]) -> None: ...

        consumer = app.transport.create_consumer(
            callback, on_partitions_revoked=rebalanced, on_partitions_assigned=rebalanced
        )
        fetcher = SimpleNamespace(should_stop=False)

        def end() -> None:
            fetcher.should_stop = True
            at_end(app)

        consumer.getmany = Fetched(fetches, end).getmany
        before(consumer)
        counting = asyncio.create_task(count_turns())
        try:
            await asyncio.wait_for(consumer._drain_messages(fetcher), 5)
        finally:
            counting.cancel()
            consumer._thread.thread_loop.close()  # made with the consumer, whose thread is never started
        return found

    return asyncio.run(drain())


def test_messages_of_a_fetch_are_handed_over_in_one_turn_of_the_event_loop() -> None:
    """Other tasks get their turn between two fetches and not between two messages of one."""
    first, second = [(_HERE, Message(1)), (_THERE, Message(1))], [(_HERE, Message(2)), (_THERE, Message(2))]
    found = _handed_over([first, second])
    assert [message for _, message in found] == [Message(1), Message(1), Message(2), Message(2)]
    turns = [turn for turn, _ in found]
    assert turns[0] == turns[1] < turns[2] == turns[3]


def test_what_was_fetched_before_a_seek_is_dropped() -> None:
    """A message before the partition's read offset comes again in its turn; those of other partitions go on."""

    def seek(consumer: Consumer) -> None:
        consumer._read_offset[_HERE] = 5

    found = _handed_over([[(_HERE, Message(4)), (_THERE, Message(1)), (_HERE, Message(6))]], before=seek)
    assert [message for _, message in found] == [Message(1), Message(6)]


def test_a_stopped_consumer_is_an_error_while_the_app_runs() -> None:
    """Nothing would be fetched any more: the worker must not go on as if all were well."""

    def stopped(_: faust.App) -> None:
        raise ConsumerStoppedError

    with pytest.raises(ConsumerStoppedError):
        _handed_over([], at_end=stopped)


def test_a_stopped_consumer_is_no_error_when_the_app_ends() -> None:
    """At the end Faust stops the consumer while a fetch may be asked for."""

    def stopped(app: faust.App) -> None:
        app._stopped.set()
        raise ConsumerStoppedError

    assert _handed_over([[(_HERE, Message(1))]], at_end=stopped) == [(0, Message(1))]
