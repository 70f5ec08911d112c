"""A slow broker's silence is no empty topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import fakes
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from broker.settings import BrokerSettings
from store.keyspace import Source
from stream import journal, reader
from stream.journal import Sent
from stream.transport import Record

TOPIC: list[Record] = list(fakes.records([b"%d" % offset for offset in range(50)]))


class SlowConsumer:
    """Answers nothing to the first fetches, then records, a few at a time."""

    def __init__(self, silent: int, topic: list[Record]) -> None:
        self._silent = silent
        self._topic = topic
        self._position = 0

    async def seek_to_beginning(self, _: TopicPartition) -> None:
        """Go to the first record."""
        self._position = 0

    def seek(self, _: TopicPartition, offset: int) -> None:
        """Go to an offset."""
        self._position = offset

    async def position(self, _: TopicPartition) -> int:
        """The next offset."""
        return self._position

    def highwater(self, _: TopicPartition) -> int | None:
        """The end, once the broker has answered."""
        return None if self._silent > 0 else len(self._topic)

    async def getmany(self, tp: TopicPartition, timeout_ms: int, max_records: int | None) -> dict[Any, list[Record]]:
        """A fetch."""
        self._silent -= 1
        if self._silent > 0:
            return {}
        found = self._topic[self._position : self._position + min(7, max_records or 7)]
        self._position += len(found)
        return {tp: found} if found else {}


def read_from(monkeypatch: pytest.MonkeyPatch, silent: int, topic: list[Record]) -> None:
    """Let the reader meet such a broker."""

    @asynccontextmanager
    async def consumer(*_: object) -> AsyncIterator[SlowConsumer]:
        yield SlowConsumer(silent, topic)

    monkeypatch.setattr(reader, "_consumer", consumer)


@pytest.mark.parametrize("silent", [0, 1, 5])
async def test_all_is_read_however_late_the_first_answer_comes(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    """Stretch and tail are the topic's records, also where the first fetches stay without an answer."""
    read_from(monkeypatch, silent, TOPIC)
    assert await reader.between(BrokerSettings(), "impressions", 0, 10, 40) == TOPIC[10:40]
    assert (await reader.tail(BrokerSettings(), "impressions", 0, 20))[-20:] == TOPIC[-20:]


async def test_an_empty_topic_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker says so: nothing is read, and nobody waits."""
    read_from(monkeypatch, 2, [])
    assert await reader.between(BrokerSettings(), "impressions", 0, 0, 40) == []
    assert await reader.tail(BrokerSettings(), "impressions", 0, 20) == []


async def test_a_broker_that_stays_silent_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error that passes by itself, not an end of the topic."""
    read_from(monkeypatch, 10_000, TOPIC)
    with pytest.raises(KafkaTimeoutError, match="impressions/0: no answer"):
        await reader.tail(BrokerSettings(), "impressions", 0, 20)
    with pytest.raises(KafkaTimeoutError):
        await reader.between(BrokerSettings(), "impressions", 0, 0, 40)


async def test_an_end_that_is_behind_for_a_moment_makes_no_other_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a topic that looks like another one again and again is one."""
    monkeypatch.setattr(journal, "PAUSE", 0.0)
    ends = iter([10, 10, 60])

    async def tail(*_: object) -> list[Record]:
        return TOPIC[:0] if (end := next(ends, 10)) == 0 else [fakes.Record(end - 1, 0, None, b"")]

    monkeypatch.setattr(reader, "tail", tail)
    assert await journal.is_of_this_topic(BrokerSettings(), Source("impressions", 0), 50, None)
    assert not await journal.is_of_this_topic(BrokerSettings(), Source("impressions", 0), 50, None)
    gone = Sent("id", 0, 20, 1)
    assert not await journal.is_of_this_topic(BrokerSettings(), Source("impressions", 0), 0, gone)
