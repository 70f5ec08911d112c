"""Spreads and the population stability index."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definition import FEATURE_NAMES
from model import drift
from model.bundle import Bundle

NUMBERS = st.lists(st.one_of(st.integers(0, 3), st.floats(-1e3, 1e3, width=32)), min_size=1, max_size=200)


@given(NUMBERS)
def test_bins_hold_every_value_once(values: list[float]) -> None:
    """The shares add up to 1, are those of the values themselves, and no bin is empty."""
    column = np.array(values, dtype=np.float32)
    spread = drift.spread(column)
    assert sum(spread.shares) == pytest.approx(1, abs=1e-4)
    assert list(spread.edges) == sorted(set(spread.edges))
    assert len(spread.shares) == len(spread.edges) + 1 <= drift.BINS
    assert all(spread.shares)
    naive = [sum(value >= edge for edge in spread.edges) for value in column.tolist()]
    assert drift.counts(spread.edges, column).tolist() == [naive.count(bin_) for bin_ in range(len(spread.shares))]


def test_the_index_is_zero_for_the_same_and_grows_with_the_difference() -> None:
    """Against the formula by hand, and for a bin that nothing falls into."""
    assert drift.psi([0.2, 0.8], [0.2, 0.8]) == 0
    assert drift.psi([0.5, 0.5], [0.6, 0.4]) == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8))
    assert drift.psi([0.5, 0.5], [1.0, 0.0]) > 1


def test_a_bundle_carries_the_spread_of_every_feature_and_of_its_scores(bundle_: Bundle) -> None:
    """The trainer writes them into the card."""
    assert set(bundle_.card.spreads) == {*FEATURE_NAMES, drift.SCORE}
    score = bundle_.card.spreads[drift.SCORE]
    assert len(score.shares) == drift.BINS
    assert all(0 < edge < 1 for edge in score.edges)
