"""Read counts without changing them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from features import windows
from features.keys import Key, Keys
from features.windows import Counts, State, days_of
from store import keyspace
from store.batch import state_of
from store.client import Client
from store.settings import StoreSettings


class Question(NamedTuple):
    """Whose counts are asked for, and at which hour (index)."""

    keys: Keys
    hour: int


Peek = Callable[[Sequence[Question]], Awaitable[list[Counts]]]


def peeker(client: Client, settings: StoreSettings) -> Peek:
    """The function `peek(questions)`: the counts that impressions with these keys would get now, in one round trip.

    Raises:
        redis.exceptions.RedisError: see `store.client.UNAVAILABLE` for what passes by itself.
    """
    namespace = settings.store_namespace

    async def peek(questions: Sequence[Question]) -> list[Counts]:
        wanted = _keys_by_day(questions)
        state: State = {}
        if wanted:
            async with client.pipeline(transaction=False) as pipeline:
                for day, counted in wanted.items():
                    pipeline.hmget(keyspace.day(namespace, day), list(counted))
                answers = await pipeline.execute()
            for (day, counted), found in zip(wanted.items(), answers, strict=True):
                tiles = [packed.decode() if packed else False for packed in found]
                for key, known in state_of(list(counted), [day], [tiles]).items():
                    state.setdefault(key, {}).update(known)
        return [windows.peek(state, keys, hour) for keys, hour in questions]

    return peek


def _keys_by_day(questions: Sequence[Question]) -> dict[int, dict[Key, None]]:
    """For each day the keys to read: only those that need it, so that scattered hours cost no more than near ones."""
    wanted: dict[int, dict[Key, None]] = {}
    for keys, hour in questions:
        counted = dict.fromkeys(key for key in keys if key is not None)
        if counted:
            for day in days_of(hour):
                wanted.setdefault(day, {}).update(counted)
    return wanted
