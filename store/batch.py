"""What goes to Redis for a batch and what comes back. Pure: bytes and values, no connection.

The pair (request, reply) of a batch holds all that its counts are computed from, so that the answer to a redelivered
impression is computed by the same function from the same bytes.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, groupby, islice

import msgspec

from features.keys import ENTITIES, Keys
from features.windows import NONE, Counts, State, Tiles, add, days_of, in_order, windows


class Observation(msgspec.Struct, frozen=True, gc=False):  # made in a fifth of a NamedTuple's time
    """One impression as the store sees it."""

    offset: int
    hour: int  # hour index
    keys: Keys


class Counted(msgspec.Struct, frozen=True, gc=False):
    """What the store answers to one observation."""

    batch: int  # number of the batch in which it was counted
    counts: Counts


# {keys, rows}: a row is {offset - first, hour, key index or -1, ...}; all rows in one flat array.
Request = tuple[list[str], list[int]]
# {batch number, for each day of the request: for each of its keys the tiles before, or false}
Reply = tuple[int, list[list[str | bool]]]

Packed = tuple[str | bool, ...]  # an entity's tiles of each day, or false

WIDTH = len(ENTITIES)
_STRIDE = WIDTH + 2
_REMEMBER_MOST = 2**14  # of each hour; some 300 bytes each
_NOBODY = -1  # in place of the index of a key; also the last of a list

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)


def request_of(first: int, observations: Sequence[Observation]) -> Request:
    """The request for a batch whose first offset is `first`."""
    shown = [key for one in observations for key in one.keys]
    names = [key for key in dict.fromkeys(shown) if key is not None]
    index_of: dict[str | None, int] = {key: index for index, key in enumerate(names)} | {None: _NOBODY}
    indices = [index_of[key] for key in shown]
    rows = [0] * (_STRIDE * len(observations))
    rows[::_STRIDE] = [one.offset - first for one in observations]
    rows[1::_STRIDE] = [one.hour for one in observations]
    for entity in range(WIDTH):
        rows[entity + 2 :: _STRIDE] = indices[entity::WIDTH]
    return names, rows


def days(request: Request) -> list[int]:
    """The days whose tiles the request reads or writes, in ascending order."""
    hours = set(request[1][1::_STRIDE])
    return sorted({day for hour in hours for day in days_of(hour)})


def encode(request: Request) -> bytes:
    """The request as Redis gets and logs it."""
    return _encode(request)


def decode_request(payload: bytes) -> Request:
    """The request in the log's bytes."""
    request: Request = _request.decode(payload)
    return request


def offsets(first: int, request: Request) -> list[int]:
    """The offset of each of the request's impressions."""
    return [first + offset for offset in request[1][::_STRIDE]]


def answer(request: Request, reply: bytes) -> list[Counted]:
    """The answer to each of a batch's impressions, computed from its request and reply."""
    number, tiles_by_day = _reply.decode(reply)
    names, rows = request
    packed = zip(*tiles_by_day, strict=True) if names else ()
    keys = zip(*[rows[at::_STRIDE] for at in range(2, _STRIDE)], strict=True)
    counts = _counts(packed, tuple([day * 24 for day in days(request)]), rows[1::_STRIDE], keys)
    return [Counted(number, found) for found in counts]


def _counts(
    packed: Iterable[Packed], first_hours: tuple[int, ...], hours: Sequence[int], keys: Iterable[tuple[int, ...]]
) -> list[Counts]:
    """The counts of impressions in order, each with its hour and the indices of its keys in `packed`."""
    if len({*hours}) == 1:
        windows_of = _windows_of(first_hours, hours[0])
        return in_order([*map(windows_of.__getitem__, packed), NONE], keys, _NOBODY)
    packed, keys = list(packed), iter(keys)
    stretches = [(hour, list(islice(keys, len(list(same))))) for hour, same in groupby(hours)]
    last = {key: number for number, (_, shown) in enumerate(stretches) for key in chain.from_iterable(shown)}
    state: dict[int, Tiles] = {}  # of the keys that were counted and come again in a later stretch
    after = [NONE] * (len(packed) + 1)
    counts = []
    for number, (hour, shown) in enumerate(stretches):
        windows_of = _windows_of(first_hours, hour)
        distinct = {*chain.from_iterable(shown)} - {_NOBODY}
        for key in distinct:
            after[key] = windows(state[key], hour) if key in state else windows_of[packed[key]]
        before = {key: after[key] for key in distinct if last[key] > number}
        counts += in_order(after, shown, _NOBODY)
        for key, found in before.items():
            tiles = state[key] if key in state else _unpacked(packed[key], first_hours)
            add(tiles, hour, found, after[key])
            state[key] = tiles
    return counts


class _Windows(dict[Packed, Counts]):
    """What the windows that end in an hour hold of an entity, by its packed tiles.

    Few are different, as most entities are new or have one tile.
    """

    def __init__(self, first_hours: Sequence[int], hour: int) -> None:
        self._first_hours = first_hours
        self._hour = hour

    def __missing__(self, packed: Packed) -> Counts:
        if len(self) >= _REMEMBER_MOST:
            self.clear()
        found = self[packed] = windows(_unpacked(packed, self._first_hours), self._hour)
        return found


# Of the last few hours: small batches would else find everything anew, a tenth of a worker's time at 20,000 a second.
_windows_of = lru_cache(maxsize=4)(_Windows)


def _unpacked(packed: Packed, first_hours: Sequence[int]) -> Tiles:
    tiles: Tiles = {}
    for found, first_hour in zip(packed, first_hours, strict=True):
        if isinstance(found, str):
            tiles |= unpack(found, first_hour)
    return tiles


def state_of(keys: Sequence[str], day_numbers: Iterable[int], tiles_by_day: Iterable[Sequence[str | bool]]) -> State:
    """The tiles of `keys` as `features.windows` takes them, from one list of packed tiles a day."""
    state: State = {}
    for day, found in zip(day_numbers, tiles_by_day, strict=True):
        for key, packed in zip(keys, found, strict=True):
            if isinstance(packed, str):
                state.setdefault(key, {}).update(unpack(packed, day * 24))
    return state


def unpack(packed: str, first_hour: int) -> Tiles:
    """The tiles in a day's string: five characters each, hour of day and four 7-bit digits (see apply.lua)."""
    digits = packed.encode("ascii")
    return {
        first_hour + digits[at]: digits[at + 1] << 21 | digits[at + 2] << 14 | digits[at + 3] << 7 | digits[at + 4]
        for at in range(0, len(digits), 5)
    }
