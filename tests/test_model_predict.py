"""Rows to probabilities: a row's result is its own, to the last bit."""

import fakes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import FEATURE_NAMES, Row
from model.bundle import Bundle


def rows(seed: int, count: int) -> list[Row]:
    """Rows of which some are as in serving and some hold any numbers."""
    draw = np.random.default_rng(seed)
    width = len(FEATURE_NAMES)
    rates = draw.random((count, width)) * 0.3
    counts = draw.integers(-1, 2**20, (count, width)) * draw.integers(0, 2, (count, width))
    return np.where(draw.random((count, width)) < 0.6, rates, counts).tolist()  # type: ignore[no-any-return]


@given(st.integers(0, 2**32), st.integers(1, 300), st.data())
@settings(max_examples=40)
def test_a_rows_probability_depends_on_no_other_row(
    bundle_: Bundle, seed: int, count: int, data: st.DataObject
) -> None:
    """Alone, in any batch, in any order and beside any neighbours a row gets the same bits."""
    batch = rows(seed, count)
    together = bundle_.predict(batch)
    position = data.draw(st.integers(0, count - 1))
    assert bundle_.predict([batch[position]]) == [together[position]]
    assert bundle_.predict(batch[::-1]) == together[::-1]
    cut = data.draw(st.integers(1, count))
    assert bundle_.predict(batch[:cut]) == together[:cut]
    among_others = bundle_.predict([*rows(seed + 1, 7), batch[position], *rows(seed + 2, 5)])
    assert among_others[7] == together[position]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300])
def test_every_batch_size_gives_the_bits_of_single_rows(bundle_: Bundle, count: int) -> None:
    """At and around the sizes that vector code treats apart, the batch equals one call a row."""
    batch = rows(count, count)
    assert bundle_.predict(batch) == [bundle_.predict([row])[0] for row in batch]


def test_probabilities_are_floats_strictly_between_0_and_1(bundle_: Bundle) -> None:
    """Plain Python floats that JSON can hold, one a row."""
    found = bundle_.predict(rows(0, 200))
    assert len(found) == 200
    assert all(type(one) is float and 0 < one < 1 for one in found)
    assert len(set(found)) > 10


def test_the_model_has_learnt_from_the_rows(bundle_: Bundle) -> None:
    """The made-up log's clicks rise with the site's number, and so do the predictions."""
    shown = [fakes.impression(site_id=f"site{number}", C14=1) for number in range(8)]
    found = bundle_.predict([bundle_.build(one, (0,) * 6) for one in shown])
    assert found[7] > found[0]
