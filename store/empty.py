"""Remove all that the store keeps."""

from store import keyspace
from store.client import Client
from store.settings import StoreSettings


async def empty(client: Client, settings: StoreSettings) -> int:
    """Remove every key of the namespace, a part at a time; how many there were.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    removed = 0
    async for name in client.scan_iter(match=keyspace.anything(settings.store_namespace), count=1000):
        removed += await client.unlink(name)
    return removed
