"""Event hours: YYMMDDHH and the hour index."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas import hours


@pytest.mark.parametrize("year", [0, 14, 15, 16, 99])
def test_every_hour_of_a_year_has_its_index_and_comes_back(year: int) -> None:
    """Index and from_index are inverse, and consecutive hours have consecutive indices, over leap years too."""
    begin = datetime(2000 + year, 1, 1, tzinfo=UTC)
    span = int((datetime(2000 + year, 12, 31, 23, tzinfo=UTC) - begin).total_seconds()) // 3600 + 1
    assert span == (8784 if year % 4 == 0 else 8760)
    first = int(begin.timestamp()) // 3600
    for number in range(span):
        written = int((begin + timedelta(hours=number)).strftime("%y%m%d%H"))
        assert hours.index(written) == first + number
        assert hours.from_index(first + number) == written
        assert hours.is_hour(written)


@pytest.mark.parametrize(
    ("hour", "after"), [(14102123, 14102200), (14103123, 14110100), (14123123, 15010100), (16022823, 16022900)]
)
def test_the_hour_after_the_last_of_a_day_month_or_year_is_the_next(hour: int, after: int) -> None:
    """Days, months, years and leap Februaries end where they should."""
    assert hours.index(after) == hours.index(hour) + 1


@pytest.mark.parametrize(
    "hour",
    [
        0, 1, 14102124, 14102199, 14103200, 14100000, 14130100, 14000100, 15022900, -14102100, 2014102100,
        100_01_01_00, 10**9, 10**40, -(10**40),
    ],
)  # fmt: skip
def test_what_is_no_hour_is_refused(hour: int) -> None:
    """Numbers that name no date and hour are no hour, and have no index."""
    assert not hours.is_hour(hour)
    with pytest.raises((ValueError, OverflowError)):
        hours.index(hour)


def test_the_message_says_what_was_expected() -> None:
    """A number of too many digits is refused with the format."""
    with pytest.raises(ValueError, match=r"^hour: expected YYMMDDHH, got 2014102100$"):
        hours.index(2014102100)
