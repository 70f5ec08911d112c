"""How those count who wait for Redis: a batch in one pipeline, or in one Lua call."""

from collections import Counter
from collections.abc import Callable, Sequence

import redis

from benchmarks.contenders import scoring
from benchmarks.contenders.scoring import Wanted
from features.windows import Counts
from schemas.impression import Impression

Count = Callable[[Sequence[Impression]], list[Counts]]
Connect = Callable[[str, str], Count]  # from Redis' URL and a prefix of the keys


def pipelined(url: str, prefix: str) -> Count:
    """The function that counts a batch in one pipeline: each entity is asked for once, each of its hours added once.

    What the batch's own impressions add to each other is counted here: three commands an entity of the batch, where the
    plain Faust agent has three an entity and impression.
    """
    client = redis.Redis.from_url(url)

    def count(shown: Sequence[Impression]) -> list[Counts]:
        asked = scoring.wanted(f"{prefix}:", shown)
        names = list(dict.fromkeys(asked.names))
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(name)
        for (name, hour), number in Counter(zip(asked.names, asked.hours, strict=True)).items():
            pipeline.hincrby(name, str(hour), number)
            pipeline.expire(name, scoring.TTL_SECONDS)
        before = zip(names, pipeline.execute(), strict=False)  # the replies to HGETALL come first
        tiles = {name: {int(hour): int(number) for hour, number in found.items()} for name, found in before}
        return scoring.counts_of(asked, _one_after_the_other(asked, tiles))

    return count


def _one_after_the_other(asked: Wanted, tiles: dict[str, dict[int, int]]) -> list[int]:
    """One number a window and name, from the tiles before the batch; adds the batch to them."""
    flat: list[int] = []
    for name, hour in zip(asked.names, asked.hours, strict=True):
        known = tiles[name]
        flat += scoring.in_windows(known, hour)
        known[hour] = known.get(hour, 0) + 1
    return flat


def scripted(url: str, prefix: str) -> Count:
    """The function that counts a batch in one Lua call."""
    run = redis.Redis.from_url(url).register_script(scoring.lua_source())

    def count(shown: Sequence[Impression]) -> list[Counts]:
        asked = scoring.wanted(f"{prefix}:", shown)
        return scoring.counts_of(asked, run(*scoring.lua(asked))) if shown else []

    return count
