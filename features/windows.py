"""Windows over hour tiles: how many impressions an entity had before this one.

A tile is the number of an entity's impressions in one event hour. A window of n hours is the tile of the event's hour
and the n - 1 before it. A late impression lands in the tile of its own hour and looks back from there.

`WINDOWS` is the one list: adding a window is adding a line.
"""

from collections.abc import Iterable

from features.keys import ENTITIES, Key, Keys

WINDOWS = {"1h": 1, "24h": 24}  # name -> hours

COUNT_NAMES = tuple(f"{entity}_count_{window}" for entity in ENTITIES for window in WINDOWS)

Tiles = dict[int, int]  # hour index -> impressions
State = dict[Key, Tiles]
Counts = tuple[int, ...]  # one number a name of COUNT_NAMES
After = dict[Key | None, Counts]  # one number a window

_HOURS = tuple(WINDOWS.values())
_NONE = (0,) * len(WINDOWS)


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
        tiles = state.get(key) if key is not None else None
        counts += _windows(tiles, hour) if tiles else _NONE
    return counts


def observe(state: State, keys: Keys, hour: int) -> Counts:
    """As `peek`, and counts the impression: each of its distinct keys once.

    >>> state: State = {}
    >>> observe(state, ("i1", None, "u1"), 100), observe(state, ("i1", None, "u2"), 101)
    ((0, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0))
    """
    (counts,), after = observe_hour(state, (keys,), hour)
    add(state, after, hour)
    return counts


def observe_hour(state: State, shown: Iterable[Keys], hour: int) -> tuple[list[Counts], After]:
    """The counts of each of several impressions of one hour, in order, and what each key's are after all of them.

    The tiles stay as they are until `add` is told of the latter: who needs no more of them can spare it. Where
    keys come again it takes a quarter of the time of looking at the tiles for each impression: the hour is in every
    window, so an impression adds 1 to each count.
    """
    after: After = {None: _NONE}
    answers = []
    for keys in shown:
        counts: Counts = ()
        for key in keys:
            found = after.get(key)
            if found is None:
                tiles = state.get(key)  # type: ignore[arg-type]  # None is in `after`
                found = after[key] = _windows(tiles, hour) if tiles else _NONE
            counts += found
        answers.append(counts)
        for key in {*keys}:
            if key is not None:
                after[key] = tuple([count + 1 for count in after[key]])
    return answers, after


def add(state: State, after: After, hour: int) -> None:
    """Add to the tiles of the hour what `observe_hour` counted."""
    for key, counts in after.items():
        if key is not None:
            tiles = state.setdefault(key, {})
            tiles[hour] = tiles.get(hour, 0) + counts[0] - _windows(tiles, hour)[0]


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


def _windows(tiles: Tiles, hour: int) -> Counts:
    sums = [0] * len(_HOURS)
    for tile, impressions in tiles.items():
        age = hour - tile
        if age >= 0:
            for position, hours in enumerate(_HOURS):
                if age < hours:
                    sums[position] += impressions
    return tuple(sums)
