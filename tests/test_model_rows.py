"""The rows of many impressions at once."""

import fakes
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import FEATURE_NAMES, TABLES, builder
from features.keys import keys
from features.windows import COUNT_NAMES, Counts, State, observe
from model import rows as module
from model.rows import observed_rows, rows
from schemas.impression import Impression

COUNTS = st.tuples(*[st.integers(0, 2**24)] * len(COUNT_NAMES))
BUILD = builder({table: fakes.Hashed() for table in TABLES}, 0.125)


@given(st.lists(st.tuples(strategies.wide_impressions(), COUNTS), max_size=5))
def test_many_rows_are_each_row(shown: list[tuple[Impression, Counts]]) -> None:
    """`rows` gives what `build` gives, as float32, one row an impression."""
    found = rows(BUILD, *zip(*shown, strict=True)) if shown else rows(BUILD, [], [])
    expected = np.array([BUILD(one, counts) for one, counts in shown], dtype=np.float32).reshape(-1, len(FEATURE_NAMES))
    assert np.array_equal(found, expected)


@given(st.lists(strategies.sequences(max_size=6), max_size=3), st.integers(1, 4))
@settings(max_examples=50)
def test_observed_rows_are_those_of_one_impression_after_the_other(hours: list[list[Impression]], block: int) -> None:
    """Each impression's row has the counts of all before it, in whatever blocks they are worked on."""
    state: State = {}
    by_hand: State = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        for hour, shown in enumerate(hours, start=400_000):
            expected = [BUILD(one, observe(by_hand, keys(one), hour)) for one in shown]
            found = observed_rows(BUILD, state, iter(shown), hour)
            assert np.array_equal(found, np.array(expected, dtype=np.float32).reshape(-1, len(FEATURE_NAMES)))
    assert state == by_hand
