"""Batches whose impressions are scattered over time."""

import random

import pytest

from features.windows import State, observe
from store.apply import applier
from store.batch import Observation
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings

pytestmark = pytest.mark.integration


async def test_a_batch_over_a_century_is_counted_exactly(redis_url: str) -> None:
    """Random hours of a century in one batch are counted as in memory, in calls of a few days each."""
    settings = StoreSettings(redis_url=redis_url, store_namespace="scattered")
    hours = random.Random(1)
    observations = [
        Observation(offset, hours.randrange(262_968, 1_139_544), (f"i{offset % 50}", None, f"u{offset % 70}"))
        for offset in range(500)
    ]
    client = connect(settings)
    try:
        counted = await applier(client, settings)(Source("impressions", 0), 499, observations, 0, 0)
        again = await applier(client, settings)(Source("impressions", 0), 499, observations, 0, 0)
    finally:
        await client.aclose()
    state: State = {}
    assert [one.counts for one in counted] == [observe(state, one.keys, one.hour) for one in observations]
    assert again == counted
    assert len({one.batch for one in counted}) > 50
