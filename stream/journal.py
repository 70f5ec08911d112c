"""The scores topic is the journal: it says which impressions were scored, and in which batch they were counted."""

import asyncio

import msgspec

from broker.settings import BrokerSettings
from schemas import impression
from schemas.errors import DecodeError
from store.keyspace import Source
from stream import reader

LOOKS, PAUSE = 4, 1.0  # seconds between the looks
TAIL = 2000  # scores at a partition's end that are looked at


class Sent(msgspec.Struct):
    """The part of a score that says what was sent."""

    id: str
    partition: int
    offset: int
    batch: int


async def last_sent(broker: BrokerSettings, topic: str, partitions: int, source: Source) -> Sent | None:
    """The furthest score of the source in its partition of the scores topic, with the highest number of a batch.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    records = await reader.tail(broker, topic, source.partition % partitions, TAIL)
    found = [msgspec.json.decode(record.value or b"", type=Sent) for record in records]
    mine = [sent for sent in found if sent.partition == source.partition]
    if not mine:
        return None
    furthest = max(mine, key=lambda sent: sent.offset)
    return Sent(furthest.id, source.partition, furthest.offset, max(sent.batch for sent in mine))


async def is_of_this_topic(broker: BrokerSettings, source: Source, fence: int, sent: Sent | None) -> bool:
    """Whether fence and scores speak of this topic, not of one that was deleted and made anew under its name.

    Then the fence may be beyond its end, and the impression where the furthest score says is another one. A broker that
    has just started may for a moment show an end from before; who believed it would count everything twice. So it is
    another topic only when it looks so LOOKS times.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    for _ in range(LOOKS - 1):
        if await _looks_like_this_topic(broker, source, fence, sent):
            return True
        await asyncio.sleep(PAUSE)
    return await _looks_like_this_topic(broker, source, fence, sent)


async def _looks_like_this_topic(broker: BrokerSettings, source: Source, fence: int, sent: Sent | None) -> bool:
    newest = await reader.tail(broker, source.topic, source.partition, 1)
    end = newest[-1].offset + 1 if newest else 0
    if max(fence, sent.offset + 1 if sent else 0) > end:
        return False
    if sent is None:
        return True
    async for records in reader.stretch(broker, source.topic, source.partition, sent.offset, sent.offset + 1):
        for record in records:
            return _is_shown_in(record.value, sent)
    return True  # it is gone by retention: nothing speaks against it


def _is_shown_in(value: bytes | None, sent: Sent) -> bool:
    try:
        return impression.decode(value).id == sent.id
    except DecodeError:
        return False
