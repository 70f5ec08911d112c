"""Event hours: the log's YYMMDDHH, and the hour index (whole hours since 1970, UTC) in which windows are computed."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)  # a stream sees few distinct hours
def index(hour: int) -> int:
    """The hour index of a YYMMDDHH.

    >>> index(14102100)
    392784

    Raises:
        ValueError: there is no such date or hour.
    """
    year_month_day, hour_of_day = divmod(hour, 100)
    year_month, day = divmod(year_month_day, 100)
    year, month = divmod(year_month, 100)
    if not 0 <= year <= 99:
        raise ValueError(f"hour: expected YYMMDDHH, got {hour}")
    return int((datetime(2000 + year, month, day, hour_of_day, tzinfo=UTC) - _EPOCH).total_seconds()) // 3600


def from_index(hour_index: int) -> int:
    """The YYMMDDHH of an hour index.

    >>> from_index(392784)
    14102100
    """
    return int((_EPOCH + timedelta(hours=hour_index)).strftime("%y%m%d%H"))


@lru_cache(maxsize=4096)
def is_hour(hour: int) -> bool:
    """Whether a number is the YYMMDDHH of a real date and hour.

    >>> is_hour(14103025)
    False
    """
    try:
        index(hour)
    except (ValueError, OverflowError):
        return False
    return True
