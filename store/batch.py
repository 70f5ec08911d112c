"""What goes to Redis for a batch and what comes back. Pure: bytes and values, no connection.

The pair (request, reply) of a batch holds all that its counts are computed from, so that the answer to a redelivered
impression is computed by the same function from the same bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import msgspec

from features.keys import ENTITIES, Keys
from features.windows import Counts, State, Tiles, add, days_of, observe_hour


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

WIDTH = len(ENTITIES)
_STRIDE = WIDTH + 2

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)


def request_of(first: int, observations: Iterable[Observation]) -> Request:
    """The request for a batch whose first offset is `first`."""
    indices: dict[str, int] = {}
    rows: list[int] = []
    for one in observations:
        rows += (one.offset - first, one.hour)
        rows += [-1 if key is None else indices.setdefault(key, len(indices)) for key in one.keys]
    return list(indices), rows


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


def answer(first: int, request: Request, reply: bytes) -> dict[int, Counted]:
    """The answers of a batch by offset, computed from its request and reply."""
    number, tiles_before = _reply.decode(reply)
    keys, rows = request
    state = state_of(keys, days(request), tiles_before)
    names = [*keys, None]  # the index of nobody is -1
    answers = {}
    runs = [(hour, list(run)) for hour, run in groupby(_rows(rows), key=itemgetter(1))]
    for hour, run in runs:
        counts, after = observe_hour(state, [tuple([names[index] for index in row[2:]]) for row in run], hour)
        for row, found in zip(run, counts, strict=True):
            answers[first + row[0]] = Counted(number, found)
        if len(runs) > 1:
            add(state, after, hour)
    return answers


def state_of(keys: Sequence[str], day_numbers: Iterable[int], tiles_by_day: Iterable[Sequence[str | bool]]) -> State:
    """The tiles of `keys` as `features.windows` takes them, from one list of packed tiles a day."""
    state: State = {}
    for day, found in zip(day_numbers, tiles_by_day, strict=True):
        for key, packed in zip(keys, found, strict=True):
            if isinstance(packed, str):
                state.setdefault(key, {}).update(unpack(packed, day * 24))
    return state


def _rows(flat: list[int]) -> Iterator[tuple[int, ...]]:
    values = iter(flat)
    return zip(*[values] * _STRIDE, strict=True)


def unpack(packed: str, first_hour: int) -> Tiles:
    """The tiles in a day's string: five characters each, hour of day and four 7-bit digits (see apply.lua)."""
    digits = packed.encode("ascii")
    return {
        first_hour + digits[at]: digits[at + 1] << 21 | digits[at + 2] << 14 | digits[at + 3] << 7 | digits[at + 4]
        for at in range(0, len(digits), 5)
    }
