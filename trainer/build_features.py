"""Turn a log into rows as serving would have built them: each with what was known when it was shown.

    features/
      rows.npy      float32 (impressions, features), a column after the other, in time order
      clicks.npy    int8 (impressions,)
      hours.npy     int32 (impressions,), YYMMDDHH
      tables/       what is published: the lookup tables' totals
      features.json

The log goes through in hours, and rows are written as they are made. What stays in memory are the tables' totals and
the counts of a day and a half.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.definition import FEATURE_NAMES
from model.rows import Rows
from model.tables import Tables, write_tables
from trainer import prepare
from trainer.causal import Pass
from trainer.prepare import Chunk
from trainer.stage import Advance, folder_of, quiet, read_json, write_json

CARD = "features.json"
TABLES = "tables"  # the folder of model.tables


class Features(msgspec.Struct, frozen=True):
    """What features.json says of built features."""

    names: tuple[str, ...]
    first_hour: int  # YYMMDDHH of the log's first row
    train_until: int  # YYMMDDHH; hours before it are learnt from
    prior: float
    weight: float  # impressions that the prior is worth
    refresh_hours: int  # how seldom the tables learnt


class Part(NamedTuple):
    """Rows and labels of a span of hours, in time order."""

    rows: Rows  # (impressions, features)
    clicks: npt.NDArray[np.int8]
    hours: npt.NDArray[np.int32]  # YYMMDDHH

    def between(self, from_hour: int, until_hour: int = 99123124) -> "Part":
        """The part with from_hour <= hour < until_hour (YYMMDDHH); views, no copies."""
        start, stop = np.searchsorted(self.hours, [from_hour, until_hour]).tolist()
        return Part(self.rows[start:stop], self.clicks[start:stop], self.hours[start:stop])


class Built(NamedTuple):
    """All that is built of a log: rows and labels, and the tables that are published."""

    rows: Rows
    clicks: npt.NDArray[np.int8]
    hours: npt.NDArray[np.int32]
    tables: Tables
    prior: float

    def between(self, from_hour: int, until_hour: int = 99123124) -> Part:
        """As of a part."""
        return Part(self.rows, self.clicks, self.hours).between(from_hour, until_hour)


def build_features(
    prepared: Path,
    out: Path,
    train_until: int,
    weight: float,
    progress: Advance = quiet,
    *,
    refresh_hours: int | None = None,
) -> Features:
    """Write the rows of a prepared log, and the tables that are published, to the folder `out`.

    Args:
        prepared: a folder of `prepare.prepare`.
        out: appears when it is complete.
        train_until: YYMMDDHH; the clicks of this hour and later ones are never looked at.
        weight: impressions that the prior is worth.
        progress: told of the number of rows after each hour.
        refresh_hours: how seldom the tables learn; None for what suits the log's length.

    Raises:
        LogError: fewer than two hours are before `train_until`.
    """
    log = prepare.read_card(prepared)
    refresh_hours = refresh_hours or refresh(log.hours, train_until)
    learnt = sum(log.first() < hour < train_until for hour in log.hours)
    if not learnt:
        raise prepare.LogError(
            f"{prepared}: its hours begin at {log.first()}; --train-until must be at least two hours later"
        )
    causal, start = Pass(train_until, weight, refresh_hours), 0
    with folder_of(out) as part, _without_garbage_collection():
        for chunk in prepare.chunks(prepared):
            _write(part, log.rows, start, chunk, causal.rows(chunk))
            start += len(chunk.columns)
            progress(len(chunk.columns))
        write_tables(part / TABLES, causal.tables())
        features = Features(FEATURE_NAMES, log.first(), train_until, causal.prior(), weight, refresh_hours)
        write_json(part / CARD, features)
    return features


def refresh(log_hours: Iterable[int], train_until: int) -> int:
    """How many hours the tables are kept: a day where that leaves at least two days of rows to fit on, else one.

    A bundle is served for about a day. Where training rows had fresher tables than that, the model trusts them more
    than it may when it serves: calibration suffers, and values that are new that day are more than it has met.
    """
    return 24 if len({hour // 100 for hour in log_hours if hour < train_until}) >= 3 else 1


def read(folder: Path) -> tuple[Features, Part]:
    """Built features without the tables. They are mapped, not read: what a caller touches is read.

    Raises:
        ValueError: the folder is none of `build_features`.
    """
    features = read_json(folder / CARD, Features)
    return features, Part(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in Part._fields))


def build(log: pd.DataFrame, train_until: int, weight: float, progress: Advance = quiet) -> Built:
    """The rows of a log of `prepare.read_log`, all in memory."""
    causal = Pass(train_until, weight, refresh(log["hour"].unique().tolist(), train_until))
    rows = []
    for hour, columns in prepare.by_hour(pa.Table.from_pandas(log, preserve_index=False)):
        rows.append(causal.rows(Chunk(hour, columns)))
        progress(len(columns))
    return Built(
        np.concatenate(rows),
        log["click"].to_numpy(dtype=np.int8),
        log["hour"].to_numpy(dtype=np.int32),
        causal.tables(),
        causal.prior(),
    )


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Counts and tables are millions of objects without cycles; looking for cycles again and again costs a third."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _write(folder: Path, total: int, start: int, chunk: Chunk, rows: Rows) -> None:
    """Put an hour into its place. Files are mapped anew each time: the pages of a mapping are memory while it lasts."""
    for name, values in (
        ("rows", rows),
        ("clicks", chunk.clicks()),
        ("hours", np.full(len(rows), chunk.hour, np.int32)),
    ):
        shape = (total, *values.shape[1:])
        path, mode = folder / f"{name}.npy", "r+" if start else "w+"
        # Columns stay together: CatBoost reads such a matrix, and any span of its rows, where it is.
        file = np.lib.format.open_memmap(path, mode, values.dtype, None if start else shape, fortran_order=True)
        file[start : start + len(values)] = values
