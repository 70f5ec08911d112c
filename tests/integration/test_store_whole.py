"""The store is closed until what Redis may have lost is made good."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis.asyncio

from store import keyspace
from store.apply import ClosedError, applier
from store.batch import Observation
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings
from store.whole import Whole

pytestmark = pytest.mark.integration

ONE, OTHER = Source("impressions", 0), Source("impressions", 1)
BATCH = [Observation(offset, 400_000, ("i1", None, "u1")) for offset in range(3)]


@pytest.fixture
def settings(redis_url: str) -> StoreSettings:
    """A namespace for one test."""
    return StoreSettings(redis_url=redis_url, store_namespace=f"test-{uuid4()}")


@pytest.fixture
async def client(settings: StoreSettings) -> AsyncIterator[redis.asyncio.Redis]:
    """A connection to it; its keys are removed at the end."""
    client = connect(settings)
    yield client
    if left := await client.keys(f"{{{settings.store_namespace}}}:*"):
        await client.delete(*left)
    await client.aclose()


async def open_both(whole: Whole) -> None:
    """Declare both partitions whole."""
    for source in (ONE, OTHER):
        known = await whole.begin(source)
        assert await whole.finish(source, known.run, 0, 0)


async def test_it_counts_when_all_partitions_are_whole(client: redis.asyncio.Redis, settings: StoreSettings) -> None:
    """With one of two partitions whole nothing is counted; with both it is."""
    apply, whole = applier(client, settings), Whole(client, settings)
    known = await whole.begin(ONE)
    assert await whole.finish(ONE, known.run, 0, 0)
    with pytest.raises(ClosedError):
        await apply(ONE, 2, BATCH, 0, 2)
    known = await whole.begin(OTHER)
    assert (known.whole, known.fence) == ({0}, None)
    assert await whole.finish(OTHER, known.run, 0, 0)
    assert [one.counts[0] for one in await apply(ONE, 2, BATCH, 0, 2)] == [0, 1, 2]
    assert (await whole.begin(ONE)).fence == 3


async def test_an_emptied_namespace_is_closed(client: redis.asyncio.Redis, settings: StoreSettings) -> None:
    """When the keys are gone no partition is whole any more."""
    apply, whole = applier(client, settings), Whole(client, settings)
    await open_both(whole)
    await client.delete(*await client.keys(f"{{{settings.store_namespace}}}:*"))
    with pytest.raises(ClosedError):
        await apply(ONE, 2, BATCH, 0, 2)
    assert (await whole.begin(ONE)).whole == set()


async def test_another_run_of_redis_is_closed(client: redis.asyncio.Redis, settings: StoreSettings) -> None:
    """When Redis is not the one in which partitions were declared whole, none is; who began before begins anew."""
    apply, whole = applier(client, settings), Whole(client, settings)
    await open_both(whole)
    await client.set(keyspace.run(settings.store_namespace), "the run before")
    with pytest.raises(ClosedError):
        await apply(ONE, 2, BATCH, 0, 2)
    assert not await whole.finish(ONE, "the run before", 0, 0)
    assert (await whole.begin(ONE)).whole == set()


async def test_numbers_and_fence_only_rise(client: redis.asyncio.Redis, settings: StoreSettings) -> None:
    """Batches to come are numbered above those in scores, and what is known as counted stays behind the fence."""
    apply, whole = applier(client, settings), Whole(client, settings)
    await open_both(whole)
    known = await whole.begin(ONE)
    assert await whole.finish(ONE, known.run, 500, 3)
    later = [Observation(offset, 400_000, ("i1", None, "u1")) for offset in range(3, 5)]
    assert {one.batch for one in await apply(ONE, 4, later, 3, 2)} == {501}
    known = await whole.begin(ONE)
    assert known.fence == 5
    assert await whole.finish(ONE, known.run, 2, 3)
    assert (await whole.begin(ONE)).fence == 5


async def test_what_is_before_the_first_observation_is_not_taken_for_done(
    client: redis.asyncio.Redis, settings: StoreSettings
) -> None:
    """A batch that begins with a broken message begins there: its dead letter may not be sent yet."""
    apply, whole = applier(client, settings), Whole(client, settings)
    await open_both(whole)
    await apply(ONE, 2, BATCH[1:], 0, 2, 0)
    assert (await whole.begin(ONE)).forgotten == 0
    rest = [Observation(offset, 400_000, ("i1", None, "u1")) for offset in (5, 9)]
    assert [one.counts[0] for one in await apply(ONE, 9, rest, 3, 2, 3)] == [2, 3]
    assert (await whole.begin(ONE)).forgotten == 3
    await apply(ONE, 12, [Observation(12, 400_000, ("i1", None, "u1"))], 10, 2, 10)
    assert (await whole.begin(ONE)).forgotten == 10
    redelivered = [*rest, Observation(12, 400_000, ("i1", None, "u1"))]
    assert [one.counts[0] for one in await apply(ONE, 12, redelivered[2:], 10, 2, 11)] == [4]
