"""All counts that the store keeps, for checks: reads everything."""

from features.windows import State
from store import keyspace
from store.batch import unpack
from store.client import Client
from store.settings import StoreSettings


async def dump(client: Client, settings: StoreSettings) -> State:
    """The tiles of all keys.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    state: State = {}
    prefix = keyspace.day(settings.store_namespace, 0).removesuffix("0")
    async for name in client.scan_iter(match=keyspace.any_day(settings.store_namespace), count=1000):
        first_hour = int(name.decode().removeprefix(prefix)) * 24
        async for key, packed in client.hscan_iter(name, count=1000):
            state.setdefault(key.decode(), {}).update(unpack(packed.decode(), first_hour))
    return state
