"""Read an Avazu click log into a frame in time order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from schemas import hours
from schemas.impression import CODE_FIELDS, FIELDS, STRING_FIELDS, Impression

_TYPES = dict.fromkeys(STRING_FIELDS, "str") | dict.fromkeys((*CODE_FIELDS, "hour", "click"), "int32")


class LogError(ValueError):
    """A log that can not be learnt from: says what is wrong and where."""


def read_log(path: Path) -> pd.DataFrame:
    """The labelled log at `path` (CSV, plain or .gz), in time order; rows of one hour keep the order of the file.

    Raises:
        LogError: a column is missing, a value is not of its column's type, an hour does not exist, a click is not
            0 or 1, or there are no rows.
    """
    try:
        log = pd.read_csv(path, dtype=_TYPES, keep_default_na=False, usecols=[*FIELDS, "click"])
    except FileNotFoundError:
        raise LogError(f"{path}: not found; make one with `ctr simulate --out {path}`") from None
    except (ValueError, OverflowError, EOFError, OSError, pd.errors.ParserError) as error:
        raise LogError(f"{path}: {error}; expected the columns {', '.join(['click', *FIELDS])}") from None
    if log.empty:
        raise LogError(f"{path}: no rows")
    wrong = [hour for hour in log["hour"].unique().tolist() if not hours.is_hour(hour)]
    if wrong:
        raise LogError(f"{path}: hour: expected YYMMDDHH of a real date and hour, got {wrong[:5]}")
    if not log["click"].isin((0, 1)).all():
        raise LogError(f"{path}: click: expected 0 or 1, got {sorted(set(log['click'].tolist()) - {0, 1})[:5]}")
    return log.sort_values("hour", kind="stable", ignore_index=True)


def impressions(log: pd.DataFrame) -> Iterator[Impression]:
    """The impressions of the log's rows, in its order."""
    columns = [log[name].tolist() for name in FIELDS]
    return map(Impression, *columns)


def hour_slices(log: pd.DataFrame) -> Iterator[tuple[int, slice]]:
    """Each event hour (YYMMDDHH) of the log with its rows."""
    found = log["hour"].to_numpy()
    starts = np.flatnonzero(np.diff(found, prepend=found[0] - 1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(found)], strict=True):
        yield int(found[start]), slice(start, stop)
