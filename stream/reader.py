"""Read one partition beside the consumer group: to make good what Redis lost, and to see what was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaTimeoutError

from broker.clients import aiokafka as options
from broker.settings import BrokerSettings
from stream.transport import Record

_POLL_MS = 200
_POLLS = 100  # without any answer, before the broker counts as away


async def answers(broker: BrokerSettings) -> None:
    """Return when a broker answers.

    Raises:
        aiokafka.errors.KafkaError: none does.
    """
    client = AIOKafkaClient(**options(broker))
    try:
        await client.bootstrap()
    finally:
        await client.close()


@asynccontextmanager
async def _consumer(broker: BrokerSettings, tp: TopicPartition) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **options(broker),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        yield consumer
    finally:
        await consumer.stop()


async def stretch(
    broker: BrokerSettings, topic: str, partition: int, start: int, stop: int
) -> AsyncIterator[list[Record]]:
    """The records with start <= offset < stop that the topic still holds, a fetch at a time.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    tp = TopicPartition(topic, partition)
    async with _consumer(broker, tp) as consumer:
        consumer.seek(tp, start)
        while True:
            fetched, end = await _fetch(consumer, tp)
            if fetched:
                yield [record for record in fetched if start <= record.offset < stop]
            position = await consumer.position(tp)
            if position >= stop or (not fetched and position >= end):
                return


async def between(broker: BrokerSettings, topic: str, partition: int, start: int, stop: int) -> list[Record]:
    """The records of `stretch` at once.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    found = stretch(broker, topic, partition, start, stop)
    return [record async for records in found for record in records]


async def begin(broker: BrokerSettings, topic: str, partition: int) -> int:
    """The first offset that the partition still holds.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    tp = TopicPartition(topic, partition)
    async with _consumer(broker, tp) as consumer:
        offsets: dict[TopicPartition, int] = await consumer.beginning_offsets([tp])
        return offsets[tp]


async def tail(broker: BrokerSettings, topic: str, partition: int, records: int) -> list[Record]:
    """The last records of a partition, at least `records` of them where it has as many.

    The end is taken from a fetch: Tansu answers it wrongly when asked for by ListOffsets.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    tp = TopicPartition(topic, partition)
    async with _consumer(broker, tp) as consumer:
        await consumer.seek_to_beginning(tp)
        _, end = await _fetch(consumer, tp, max_records=1)
        consumer.seek(tp, max(await consumer.position(tp) - 1, end - records, 0))
        found: list[Record] = []
        while await consumer.position(tp) < end:
            found += (await _fetch(consumer, tp))[0]
        return found


async def _fetch(consumer: Any, tp: TopicPartition, max_records: int | None = None) -> tuple[list[Record], int]:
    """The next records, none where none came soon, and the partition's end.

    A slow broker's silence must not be taken for an empty topic: who asks would count or score everything again.
    """
    for _ in range(_POLLS):
        fetched: list[Record] = (await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=max_records)).get(tp, [])
        end: int | None = consumer.highwater(tp)  # known from the broker's first answer on
        if end is not None:
            return fetched, end
    raise KafkaTimeoutError(f"{tp.topic}/{tp.partition}: no answer to a fetch for {_POLLS * _POLL_MS / 1000:.0f} s")
