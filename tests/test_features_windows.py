"""Windows over hour tiles, held against an oracle that remembers every impression and recounts from scratch."""

import copy

import pytest
import strategies
from fakes import NaiveCounts
from hypothesis import given, settings
from hypothesis import strategies as st

from features.keys import Keys, keys
from features.windows import COUNT_NAMES, WINDOWS, State, days_of, forget, observe, observe_hour, peek
from schemas import hours
from schemas.impression import Impression

# Also keys that the entities of today never give: all None, the same key three times.
ANY_KEYS = st.tuples(*[st.sampled_from((None, "i1", "i2", "d1"))] * 3)


def test_there_is_a_name_for_each_entity_and_window() -> None:
    """The count features, in the order of the counts."""
    assert COUNT_NAMES == (
        "device_ip_count_1h",
        "device_ip_count_24h",
        "device_id_count_1h",
        "device_id_count_24h",
        "user_count_1h",
        "user_count_24h",
    )


@given(strategies.sequences())
@settings(max_examples=150)
def test_counts_are_those_of_the_oracle(sequence: list[Impression]) -> None:
    """Impressions in any order of their hours get the counts that the definition gives."""
    state: State = {}
    oracle = NaiveCounts()
    for shown in sequence:
        hour = hours.index(shown.hour)
        assert observe(state, keys(shown), hour) == oracle.observe(keys(shown), hour)


@given(st.lists(st.tuples(ANY_KEYS, st.integers(0, 60)), max_size=30), ANY_KEYS, st.integers(0, 90))
@settings(max_examples=150)
def test_counts_of_any_keys_are_those_of_the_oracle(seen: list[tuple[Keys, int]], asked: Keys, hour: int) -> None:
    """Whatever keys the entities may give one day, equal ones are counted once and None never."""
    state: State = {}
    oracle = NaiveCounts()
    for one, at in seen:
        assert observe(state, one, at) == oracle.observe(one, at)
    assert peek(state, asked, hour) == oracle.peek(asked, hour)


@given(st.lists(st.tuples(st.integers(0, 60), st.lists(ANY_KEYS, max_size=6)), max_size=8))
@settings(max_examples=150)
def test_counts_of_many_of_an_hour_are_those_of_the_oracle(batches: list[tuple[int, list[Keys]]]) -> None:
    """Several impressions of one hour get what they would one by one, and so does all that follows."""
    state: State = {}
    oracle = NaiveCounts()
    for hour, shown in batches:
        assert observe_hour(state, shown, hour, None) == [oracle.observe(one, hour) for one in shown]
    for at in range(90):
        assert peek(state, ("i1", "i2", "d1"), at) == oracle.peek(("i1", "i2", "d1"), at)


@given(strategies.sequences(min_size=1))
def test_peek_is_observe_that_changes_nothing(sequence: list[Impression]) -> None:
    """Peek gives what observe would, twice, and leaves the state as it was."""
    state: State = {}
    for shown in sequence:
        hour = hours.index(shown.hour)
        before = copy.deepcopy(state)
        peeked = peek(state, keys(shown), hour), peek(state, keys(shown), hour)
        assert state == before
        assert peeked == (observe(state, keys(shown), hour),) * 2


@given(strategies.sequences(min_size=2))
def test_the_order_within_what_came_before_does_not_matter(sequence: list[Impression]) -> None:
    """The counts of an impression are those of a set: its predecessors in any order give the same."""
    *before, last = sequence
    forward: State = {}
    backward: State = {}
    for shown in before:
        observe(forward, keys(shown), hours.index(shown.hour))
    for shown in reversed(before):
        observe(backward, keys(shown), hours.index(shown.hour))
    assert forward == backward
    assert peek(forward, keys(last), hours.index(last.hour)) == peek(backward, keys(last), hours.index(last.hour))


def test_the_impression_itself_is_not_counted() -> None:
    """The first of an entity has zeros, the second one."""
    state: State = {}
    assert observe(state, ("i1", "d1", "d1"), 100) == (0, 0, 0, 0, 0, 0)
    assert observe(state, ("i1", "d1", "d1"), 100) == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("day_end", strategies.EDGES)
def test_windows_reach_over_the_ends_of_days(day_end: int) -> None:
    """An impression at 23h is in the next hour's day window and not in its hour, and gone 24 hours later."""
    state: State = {}
    assert day_end % 24 == 23
    observe(state, ("i1", None, "u1"), day_end)
    assert peek(state, ("i1", None, "u1"), day_end + 1) == (0, 1, 0, 0, 0, 1)
    assert peek(state, ("i1", None, "u1"), day_end + 23) == (0, 1, 0, 0, 0, 1)
    assert peek(state, ("i1", None, "u1"), day_end + 24) == (0, 0, 0, 0, 0, 0)


def test_a_late_impression_looks_back_from_its_own_hour() -> None:
    """It does not see what happened in later hours, and counts for them afterwards."""
    state: State = {}
    observe(state, ("i1", None, None), 110)
    assert observe(state, ("i1", None, None), 100) == (0, 0, 0, 0, 0, 0)
    assert peek(state, ("i1", None, None), 110) == (1, 2, 0, 0, 0, 0)


@given(st.integers(24 * 2, 24 * 50_000))
def test_days_of_are_exactly_the_days_that_the_windows_read(hour: int) -> None:
    """The days hold every hour of the longest window and no day more."""
    needed = {tile // 24 for tile in range(hour - max(WINDOWS.values()) + 1, hour + 1)}
    assert list(days_of(hour)) == sorted(needed)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(100, 180)), max_size=30), st.integers(100, 200))
def test_forgetting_changes_no_count_from_its_hour_on(seen: list[tuple[str, int]], hour: int) -> None:
    """Every later window reads the same, and no tile stays that none of them reads."""
    state: State = {}
    for key, at in seen:
        observe(state, (key, None, None), at)
    asked = [((key, None, None), at) for key in "abc" for at in range(hour, 230)]
    before = [peek(state, keys, at) for keys, at in asked]
    forget(state, hour)
    assert [peek(state, keys, at) for keys, at in asked] == before
    assert all(tile > hour - max(WINDOWS.values()) for tiles in state.values() for tile in tiles)
    assert all(state.values())
