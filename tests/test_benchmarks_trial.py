"""The rate of a trial."""

import pytest

from benchmarks.trial import TrialError, rate_of


def test_the_rate_counts_what_was_appended_after_the_first_instant() -> None:
    """What was appended at the first stamp was worked on before it."""
    assert rate_of([1000, 1000, 1000, 1500, 2000, 2000]) == (3.0, 1.0)


def test_stamps_of_several_partitions_need_no_order() -> None:
    """Partitions are read one after the other."""
    assert rate_of([2000, 1000, 1500, 2000]) == rate_of([1000, 1500, 2000, 2000])


def test_the_rate_is_taken_from_a_given_time_on() -> None:
    """Of several workers, only what was appended when all had partitions."""
    assert rate_of([0, 100, 1000, 2000, 3000], since=1000) == (1.0, 2.0)


@pytest.mark.parametrize("stamps", [[], [5], [7, 7, 7]])
def test_one_instant_gives_no_rate(stamps: list[int]) -> None:
    """Too little to measure is an error, not a figure."""
    with pytest.raises(TrialError):
        rate_of(stamps)
