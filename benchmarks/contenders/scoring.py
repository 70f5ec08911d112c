"""What the contenders do alike, so that they differ in how they are built and not in what they compute.

Counts are kept as most would: a Redis hash an entity, a field an hour, HINCRBY; a batch in one redis-py pipeline, or
(`*_lua`, `quix_dataframe`, `faststream_batch`) in one Lua call. Features, model and the score's JSON are the project's
own. Exactness under faults is not asked of them.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from features.keys import Keys, keys
from features.windows import COUNT_NAMES, WINDOWS, Counts
from model import bundle
from schemas import hours, impression, score
from schemas.errors import DecodeError
from schemas.impression import Impression

TTL_SECONDS = 48 * 3600
CountedScore = score.struct_of(COUNT_NAMES)
Place = tuple[int, int]  # partition and offset
Encode = Callable[[Sequence[Impression], Sequence[Place], Sequence[Counts], float], list[bytes]]

_encode = msgspec.json.Encoder().encode
_NONE = (0,) * len(WINDOWS)


class Wanted(msgspec.Struct, frozen=True):
    """What to count for a batch."""

    rows: list[Keys]  # of each impression
    names: list[str]  # Redis keys: the distinct keys of each impression, one impression after the other
    hours: list[int]  # hour index of each name


def decode(payload: bytes | None) -> Impression | None:
    """The impression, or None where there is none in these bytes."""
    try:
        return impression.decode(payload)
    except DecodeError:
        return None


def wanted(prefix: str, shown: Sequence[Impression]) -> Wanted:
    """What to count for these impressions."""
    found = Wanted([], [], [])
    for one in shown:
        row = keys(one)
        hour = hours.index(one.hour)
        distinct = [prefix + key for key in dict.fromkeys(row) if key is not None]
        found.rows.append(row)
        found.names.extend(distinct)
        found.hours.extend([hour] * len(distinct))
    return found


def counts_of(asked: Wanted, flat: Sequence[int]) -> list[Counts]:
    """The counts of each impression, from one number a window and name."""
    answers = iter(zip(*[iter(flat)] * len(WINDOWS), strict=True))
    counted = []
    for row in asked.rows:
        known: dict[str | None, Counts] = {None: _NONE}
        counts: Counts = ()
        for key in row:
            if key not in known:
                known[key] = next(answers)
            counts += known[key]
        counted.append(counts)
    return counted


def windows_of(asked: Wanted, replies: Sequence[Any]) -> list[int]:
    """One number a window and name, from the replies to HINCRBY, EXPIRE and HGETALL of each name."""
    flat: list[int] = []
    for at, hour in enumerate(asked.hours):
        tiles = {int(tile): int(number) for tile, number in replies[3 * at + 2].items()}
        flat += [number - 1 for number in in_windows(tiles, hour)]
    return flat


def in_windows(tiles: Mapping[int, int], hour: int) -> list[int]:
    """How many impressions the tiles have in each window that ends in this hour."""
    ages = [(hour - tile, number) for tile, number in tiles.items()]
    return [sum([number for age, number in ages if 0 <= age < window]) for window in WINDOWS.values()]


def lua(asked: Wanted) -> tuple[list[str], list[int]]:
    """KEYS and ARGV of `count.lua`."""
    return asked.names, [TTL_SECONDS, *asked.hours]


def lua_source() -> str:
    """The script that counts a batch in one call."""
    return files("benchmarks.contenders").joinpath("count.lua").read_text(encoding="utf-8")


def encoder(folder: Path) -> Encode:
    """The function that scores counted impressions with the bundle in `folder`; the JSON of each score."""
    served = bundle.load(folder)
    gc.freeze()  # the tables are many objects, which every full collection would walk

    def encode(
        shown: Sequence[Impression], places: Sequence[Place], counts: Sequence[Counts], now: float
    ) -> list[bytes]:
        if not shown:
            return []
        probabilities = served.predict([served.build(one, found) for one, found in zip(shown, counts, strict=True)])
        return [
            _encode(
                CountedScore(
                    one.id, one.device_ip, click_proba, served.version, one.hour, now, partition, offset, 0, *found
                )
            )
            for one, (partition, offset), found, click_proba in zip(shown, places, counts, probabilities, strict=True)
        ]

    return encode
