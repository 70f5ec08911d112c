"""Windows over hour tiles: how many impressions an entity had before this one.

A tile is the number of an entity's impressions in one event hour. A window of n hours is the tile of the event's hour
and the n - 1 before it. A late impression lands in the tile of its own hour and looks back from there.

`WINDOWS` is the one list: adding a window is adding a line.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from features.keys import ENTITIES, Key, Keys

WINDOWS = {"1h": 1, "24h": 24}  # name -> hours

COUNT_NAMES = tuple(f"{entity}_count_{window}" for entity in ENTITIES for window in WINDOWS)

Tiles = dict[int, int]  # hour index -> impressions
State = dict[Key, Tiles]
Counts = tuple[int, ...]  # one number a name of COUNT_NAMES, or of one entity: one number a window

_HOURS = tuple(WINDOWS.values())
NONE: Counts = (0,) * len(WINDOWS)  # of an entity that was never counted
_REMEMBER_MOST = 2**16


def days_of(hour: int) -> range:
    """The days (hour index // 24) that hold the tiles which windows ending in `hour` read.

    >>> list(days_of(24 * 10 + 5))
    [9, 10]
    """
    return range((hour - max(_HOURS) + 1) // 24, hour // 24 + 1)


def peek(state: State, keys: Keys, hour: int) -> Counts:
    """The counts of an impression of `keys` in the hour with index `hour`: impressions before it, none of it."""
    counts: Counts = ()
    for key in keys:
        counts += windows(state.get(key), hour) if key is not None else NONE
    return counts


def observe(state: State, keys: Keys, hour: int) -> Counts:
    """As `peek`, and counts the impression: each of its distinct keys once.

    >>> state: State = {}
    >>> observe(state, ("i1", None, "u1"), 100), observe(state, ("i1", None, "u2"), 101)
    ((0, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0))
    """
    (counts,) = observe_hour(state, (keys,), hour, None)
    return counts


def observe_hour(state: dict[Any, Tiles], shown: Sequence[tuple[Any, ...]], hour: int, nobody: Any) -> list[Counts]:
    """As `observe` for each of several impressions of one hour, in order; keys, and nobody's, may be of any type."""
    distinct = {key for keys in shown for key in keys}
    before = {key: windows(state.get(key), hour) for key in distinct} | {nobody: NONE}
    after = before.copy()
    counts = in_order(after, shown, nobody)
    del after[nobody]
    for key, found in after.items():
        add(state.setdefault(key, {}), hour, before[key], found)
    return counts


def add(tiles: Tiles, hour: int, before: Counts, after: Counts) -> None:
    """Add to the tile of the hour what its impressions added to the windows, of which each holds the hour."""
    tiles[hour] = tiles.get(hour, 0) + after[0] - before[0]


def forget(state: State, hour: int) -> None:
    """Drop the tiles that no window ending in `hour` or later reads, so that a log's length is no matter of memory.

    >>> state: State = {"i1": {76: 1}, "i2": {76: 1, 77: 3}}
    >>> forget(state, 100)
    >>> state
    {'i2': {77: 3}}
    """
    oldest = hour - max(_HOURS) + 1
    for key in [key for key, tiles in state.items() if max(tiles) < oldest]:
        del state[key]
    for tiles in state.values():
        if min(tiles) < oldest:
            for tile in [tile for tile in tiles if tile < oldest]:
                del tiles[tile]


def windows(tiles: Tiles | None, hour: int) -> Counts:
    """What each window that ends in the hour holds of an entity.

    >>> windows({100: 2, 110: 1}, 110)
    (1, 3)
    """
    if not tiles:
        return NONE
    sums = [0] * len(_HOURS)
    for tile, impressions in tiles.items():
        age = hour - tile
        if age >= 0:
            for position, hours in enumerate(_HOURS):
                if age < hours:
                    sums[position] += impressions
    return tuple(sums)


class InOrder(Protocol):
    """Counts several impressions of one hour, in order; see `in_order`."""

    def __call__(self, after: Any, shown: Iterable[tuple[Any, ...]], nobody: Any) -> list[Counts]:
        """The counts of each."""


class _OneMore(dict[Counts, Counts]):
    """Each number plus 1. Remembered, because most are few and small: the tuple need not be made anew."""

    def __missing__(self, counts: Counts) -> Counts:
        if len(self) >= _REMEMBER_MOST:
            self.clear()
        found = self[counts] = tuple([count + 1 for count in counts])
        return found


def _in_order() -> InOrder:
    """The function `in_order`, unrolled: it takes two thirds of the time of a loop over the entities."""
    at = range(len(ENTITIES))
    lines = [
        "def in_order(after, shown, nobody):",
        "    answers = []",
        f"    for {', '.join(f'key{i}' for i in at)} in shown:",
        *(f"        count{i} = after[key{i}]" for i in at),
        f"        answers.append({' + '.join(f'count{i}' for i in at)})",
        # After all are read: keys that are the same are given the same number, so they are counted once.
        *(f"        after[key{i}] = one_more[count{i}]" for i in at),
        "        after[nobody] = NONE",
        "    return answers",
    ]
    names: dict[str, Any] = {"one_more": _OneMore(), "NONE": NONE}
    exec("\n".join(lines), names)  # noqa: S102  # our own text
    return cast(InOrder, names["in_order"])


# `in_order(after, shown, nobody)`: the counts of impressions with the keys `shown`, which are all of one hour. An
# impression adds 1 to each window of its keys, because each window holds the hour. `after` is a dict or a list: it says
# what the windows of each key hold before, of `nobody` NONE, and is left saying what they hold after.
in_order = _in_order()
