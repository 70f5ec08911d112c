"""Throughput as the state grows: the same rows are scored while Redis already holds many other entities."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files

import msgspec
import redis

from benchmarks import trial
from benchmarks.trial import PATIENCE, Check, Place, Trial
from store import keyspace

_CHUNK = 50_000  # entities a Lua call


class Grown(msgspec.Struct, frozen=True):
    """A trial beside `entities` others."""

    entities: int
    redis_bytes: int  # that they take, everything included
    trial: Trial


def measure(place: Place, entities: int, name: str, last_hour: int, check: Check, longest: float) -> Grown:
    """Fill an empty Redis with entities and run a trial of ours.

    Raises:
        TrialError: as `trial.run`.
    """
    trial.empty(place.stack)
    # Half a day before the log's end: the 24 hours lie on two days, as they mostly do, and both are read.
    taken = fill(place.stack.redis_url, name, entities, last_hour - 12)
    return Grown(entities, taken, trial.run(place, "ours", name, check, longest=longest))


def fill(redis_url: str, namespace: str, entities: int, last_hour: int, chunk: int = _CHUNK) -> int:
    """Put entities into the store of `namespace`, with one to three tiles each in the 24 hours up to `last_hour`.

    Returns:
        The bytes of memory that Redis took for them.
    """
    day, hour_of_day = divmod(last_hour, 24)
    names = [keyspace.day(namespace, day - 1), keyspace.day(namespace, day)]
    with redis.Redis.from_url(redis_url, socket_timeout=PATIENCE) as client, _unlogged(client):
        run: Callable[..., object] = client.register_script(
            files("benchmarks").joinpath("fill.lua").read_text(encoding="utf-8")
        )
        before = client.info("memory")["used_memory"]
        for first in range(0, entities, chunk):
            run(names, [first, min(first + chunk, entities) - 1, hour_of_day])
        return int(client.info("memory")["used_memory"] - before)


@contextmanager
def _unlogged(client: "redis.Redis") -> Iterator[None]:
    """Without the append-only file, which would be written twice: now, and when Redis compacts it."""
    setting = str(client.config_get("appendonly")["appendonly"])
    client.config_set("appendonly", "no")
    try:
        yield
    finally:
        client.config_set("appendonly", setting)
        trial.settle(client)
