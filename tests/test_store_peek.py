"""Reading counts of impressions that need no Redis; tests/integration/test_store_redis.py has the others."""

from features.windows import COUNT_NAMES
from store.client import connect
from store.peek import Question, peeker
from store.settings import StoreSettings


async def test_nobody_has_no_counts_and_needs_no_redis() -> None:
    """Keys that are all None get zeros without a look at Redis, which is not there."""
    settings = StoreSettings(redis_url="redis://127.0.0.1:1/0")
    client = connect(settings)
    assert await peeker(client, settings)([Question((None, None, None), 392797)]) == [(0,) * len(COUNT_NAMES)]
    await client.aclose()
