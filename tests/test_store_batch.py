"""What goes to Redis and what comes back: bytes and values, no connection."""

import copy
from pathlib import Path

import fakes
import msgspec
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from features.keys import keys
from features.windows import State, days_of, observe
from schemas import hours
from schemas.impression import Impression
from store import batch
from store.batch import Counted, Observation

GOLDEN = Path(__file__).parent / "golden"

# The observations of golden/store_request.msgpack: a known device, a gap in the offsets, a late one of the day before.
OBSERVATIONS = [
    Observation(1000, 392797, ("iaddress1", "ddevice01", "ddevice01")),
    Observation(1002, 392798, ("iaddress1", None, "u8:address1model001")),
    Observation(1003, 392770, ("iaddress2", None, "u8:address2model001")),
]


def observations(sequence: list[Impression], first: int = 0) -> list[Observation]:
    """The observations of impressions at every second offset."""
    return [
        Observation(first + 2 * position, hours.index(shown.hour), keys(shown))
        for position, shown in enumerate(sequence)
    ]


def test_a_request_names_each_key_once() -> None:
    """Keys come in the order of first use; rows are relative offset, hour, and the keys' indices or -1."""
    assert batch.request_of(1000, OBSERVATIONS) == (
        ["iaddress1", "ddevice01", "u8:address1model001", "iaddress2", "u8:address2model001"],
        [0, 392797, 0, 1, 1, 2, 392798, 0, -1, 2, 3, 392770, 3, -1, 4],
    )


def test_a_requests_bytes() -> None:
    """The request is packed as apply.lua and the logs of running deployments expect it."""
    golden = (GOLDEN / "store_request.msgpack").read_bytes()
    assert batch.encode(batch.request_of(1000, OBSERVATIONS)) == golden
    assert batch.decode_request(golden) == batch.request_of(1000, OBSERVATIONS)


@given(strategies.sequences(), st.integers(0, 2**40))
def test_a_request_comes_back_from_its_bytes(sequence: list[Impression], first: int) -> None:
    """decode_request(encode(x)) is x."""
    request = batch.request_of(first, observations(sequence, first))
    assert batch.decode_request(batch.encode(request)) == request


@given(strategies.sequences(min_size=1))
def test_days_are_those_that_any_row_reads(sequence: list[Impression]) -> None:
    """The days of a request are the union of its rows' days, ascending, each once."""
    needed = {day for shown in sequence for day in days_of(hours.index(shown.hour))}
    assert batch.days(batch.request_of(0, observations(sequence))) == sorted(needed)


@given(
    strategies.sequences(),
    strategies.sequences(min_size=1),
    st.integers(0, 2**40),
    st.integers(1, 2**40),
    st.sampled_from([1, 3, 2**14]),
)
def test_an_answer_is_what_observing_in_memory_gives(
    earlier: list[Impression], sequence: list[Impression], first: int, number: int, remembered: int
) -> None:
    """From the tiles as they stood before the batch, each observation gets its counts, of the batch's own ones too.

    However much is remembered of the batches before, which were of other hours and tiles.
    """
    state: State = {}
    for shown in earlier:
        observe(state, keys(shown), hours.index(shown.hour))
    asked = observations(sequence, first)
    request = batch.request_of(first, asked)
    tiles = [[fakes.packed(state, key, day) for key in request[0]] for day in batch.days(request)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_REMEMBER_MOST", remembered)
        answers = batch.answer(request, msgspec.msgpack.encode([number, tiles]))
    in_memory = copy.deepcopy(state)
    assert answers == [Counted(number, observe(in_memory, one.keys, one.hour)) for one in asked]
    assert batch.offsets(first, request) == [one.offset for one in asked]


@pytest.mark.parametrize("count", [1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**28 - 1])
def test_a_tile_is_unpacked_from_its_digits(count: int) -> None:
    """Four 7-bit digits, high first, make the count."""
    assert batch.unpack(str(fakes.packed({"k": {240 + 7: count}}, "k", 10)), 240) == {247: count}


@given(st.dictionaries(st.integers(0, 23), st.integers(1, 2**28 - 1)))
def test_a_days_tiles_come_back_from_their_string(counts: dict[int, int]) -> None:
    """Any hours of a day, in any order, are unpacked to hour indices."""
    tiles = {240 + hour: count for hour, count in counts.items()}
    assert batch.unpack(fakes.packed({"k": tiles}, "k", 10) or "", 240) == tiles


def test_keys_without_tiles_are_absent_from_the_state() -> None:
    """False stands for a key that has no tiles that day; days of one key join."""
    state = batch.state_of(["a", "b"], [1, 2], [["\x17\0\0\0\1", False], ["\0\0\0\1\0", False]])
    assert state == {"a": {47: 1, 48: 128}}
