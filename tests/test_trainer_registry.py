"""The gate's statistics: an interval that holds what it says, and notices rows that are not independent."""

import numpy as np
import pytest

from trainer.registry import GROUPS, interval


def test_the_interval_is_that_of_the_mean() -> None:
    """For independent rows it is the mean plus and minus 1.96 standard errors, nearly."""
    draw = np.random.default_rng(0)
    differences = draw.normal(0.01, 0.2, 20_000)
    low, high = interval(differences, draw.integers(0, GROUPS, 20_000))
    error = differences.std() / np.sqrt(len(differences))
    assert low == pytest.approx(differences.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(differences.mean() + 1.96 * error, abs=0.3 * error)


def test_rows_of_one_group_count_as_one() -> None:
    """A hundred copies of each row say no more than the row: the interval stays as wide."""
    draw = np.random.default_rng(1)
    differences = draw.normal(0, 1, GROUPS)
    once = interval(differences, np.arange(GROUPS))
    copied = interval(np.repeat(differences, 100), np.repeat(np.arange(GROUPS), 100))
    assert copied == pytest.approx(once)


def test_few_rows_give_a_wide_interval_not_an_error() -> None:
    """One row that is the same everywhere is certain; two that differ are not."""
    assert interval(np.array([0.5]), np.array([3])) == (0.5, 0.5)
    low, high = interval(np.array([-1.0, 1.0]), np.array([3, 4]))
    assert (low, high) == (-1.0, 1.0)
