"""Read counts without changing them."""

from collections.abc import Awaitable, Callable

from features.keys import Keys
from features.windows import Counts, days_of, peek
from store import keyspace
from store.batch import state_of
from store.client import Client
from store.settings import StoreSettings

Peek = Callable[[Keys, int], Awaitable[Counts]]


def peeker(client: Client, settings: StoreSettings) -> Peek:
    """The function `peek(keys, hour index)`: the counts that an impression with these keys would get now."""
    namespace = settings.store_namespace

    async def read(keys: Keys, hour: int) -> Counts:
        counted = list(dict.fromkeys(key for key in keys if key is not None))
        if not counted:
            return peek({}, keys, hour)
        days = days_of(hour)
        async with client.pipeline(transaction=False) as pipeline:
            for day in days:
                pipeline.hmget(keyspace.day(namespace, day), counted)
            found = await pipeline.execute()
        tiles = [[packed.decode() if packed else False for packed in one_day] for one_day in found]
        return peek(state_of(counted, days, tiles), keys, hour)

    return read
