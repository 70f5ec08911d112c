"""Empty the store and count everything again: from the impressions topic, or from a log of what it held."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from features.keys import keys
from features.windows import State, observe
from replay import counts
from replay.consume import Read
from schemas import hours, impression
from schemas.errors import DecodeError
from store.apply import applier
from store.batch import Observation
from store.client import Client
from store.dump import dump
from store.empty import empty
from store.keyspace import Source
from store.settings import StoreSettings
from store.whole import Whole

_CHUNK = 2000  # impressions counted in one call
_LOG = Source("rebuilt from a log", 0)


class Rebuilt(msgspec.Struct, frozen=True):
    """What `rebuild` did."""

    removed_keys: int
    impressions: int  # counted
    rejected: int  # messages that are no impressions
    entities: int
    count_errors: int  # tiles in Redis that are not what the impressions make them; 0 when all is well


class Chunk(NamedTuple):
    """Messages of one partition, in order."""

    source: Source
    messages: list[tuple[int, bytes | None]]  # offset, value


def of_topic(topic: str, records: Iterable[Read], committed: Mapping[int, int]) -> Iterator[Chunk]:
    """The records before the committed offsets of their partitions, in chunks. What is beyond, workers count."""
    waiting: dict[int, list[tuple[int, bytes | None]]] = {}
    for record in records:
        if record.offset >= committed.get(record.partition, 0):
            continue
        messages = waiting.setdefault(record.partition, [])
        messages.append((record.offset, record.value))
        if len(messages) == _CHUNK:
            yield Chunk(Source(topic, record.partition), waiting.pop(record.partition))
    for partition, messages in waiting.items():
        yield Chunk(Source(topic, partition), messages)


def of_log(values: Iterable[bytes | None]) -> Iterator[Chunk]:
    """The messages of a log, in chunks, as a topic of its own."""
    messages: list[tuple[int, bytes | None]] = []
    for offset, value in enumerate(values):
        messages.append((offset, value))
        if len(messages) == _CHUNK:
            yield Chunk(_LOG, messages)
            messages = []
    if messages:
        yield Chunk(_LOG, messages)


async def rebuild(
    client: Client,
    settings: StoreSettings,
    chunks: Iterable[Chunk],
    fences: Mapping[Source, int],
    progress: Callable[[int], None] = lambda messages: None,
) -> Rebuilt:
    """Empty the namespace, count the chunks, set the fences, and hold the store against a count in memory.

    No worker may run meanwhile. All tiles are held in memory for the check: about 1 GB for three million entities.

    Args:
        client: of the store.
        settings: of the store.
        chunks: what to count.
        fences: of each partition, the offset before which everything is counted then.
        progress: told of messages as they are counted.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    apply, whole = applier(client, settings), Whole(client, settings)
    removed = await empty(client, settings)
    wanted: State = {}
    counted = rejected = 0
    for source, messages in chunks:
        observations = list(_observations(messages))
        for observation in observations:
            observe(wanted, observation.keys, observation.hour)
        await apply(source, messages[-1][0], observations, messages[-1][0], 0)
        counted += len(observations)
        rejected += len(messages) - len(observations)
        progress(len(messages))
    await whole.forget(_LOG)
    for source, offset in fences.items():
        await whole.begin_at(source, offset)
    found = await dump(client, settings)
    return Rebuilt(removed, counted, rejected, len(found), counts.differences(wanted, found))


def _observations(messages: Iterable[tuple[int, bytes | None]]) -> Iterator[Observation]:
    for offset, value in messages:
        try:
            shown = impression.decode(value)
        except DecodeError:
            continue
        yield Observation(offset, hours.index(shown.hour), keys(shown))
