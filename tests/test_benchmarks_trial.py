"""The rate of a trial."""

from pathlib import Path

import pytest

from benchmarks.contenders.options import Options
from benchmarks.trial import TrialError, processes, rate_of, shared, wait_for
from replay.consume import Read


def test_the_rate_counts_what_was_appended_after_the_first_instant() -> None:
    """What was appended at the first stamp was worked on before it."""
    assert rate_of([1000, 1000, 1000, 1500, 2000, 2000]) == (3.0, 1.0)


def test_stamps_of_several_partitions_need_no_order() -> None:
    """Partitions are read one after the other."""
    assert rate_of([2000, 1000, 1500, 2000]) == rate_of([1000, 1500, 2000, 2000])


def test_the_rate_is_taken_from_a_given_time_on() -> None:
    """Of several workers, only what was appended while all had work."""
    assert rate_of([0, 100, 1000, 2000, 3000], since=1000) == (1.0, 2.0)
    assert rate_of([0, 100, 1000, 2000, 3000], since=100, until=2000) == (2 / 1.9, 1.9)


def test_several_workers_share_the_time_in_which_all_partitions_are_scored() -> None:
    """From the latest of the partitions' first scores, after all had partitions, to the earliest of their last."""
    stamps = {0: [5, 900, 1000, 3000], 1: [1200, 1300, 2800], 2: [100, 1100, 3100]}
    found = [Read(number, 0, stamp, 0, None, None, ()) for number, of in stamps.items() for stamp in of]
    assert shared(found, begun=1000) == (1200, 2800)
    assert shared([], begun=1000) == (1000, 1000)


@pytest.mark.parametrize("stamps", [[], [5], [7, 7, 7]])
def test_one_instant_gives_no_rate(stamps: list[int]) -> None:
    """Too little to measure is an error, not a figure."""
    with pytest.raises(TrialError):
        rate_of(stamps)


@pytest.mark.slow
def test_a_contender_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    """What is raised says who ended, not that there is nobody left to end."""
    options = Options("nowhere:1", "redis://nowhere", tmp_path, "impressions", "scores", "trial")
    with (
        pytest.raises(TrialError, match="nobody ended by itself"),
        processes("nobody", options, 1, tmp_path / "trial.log") as started,
    ):
        wait_for(lambda: False, started)
    assert "No module named benchmarks.contenders.nobody" in (tmp_path / "trial.log").read_text()
