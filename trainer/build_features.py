"""Turn a log into rows as serving would have built them: each with what was known when it was shown."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.ctr import CausalLookup, Totals, Value
from features.definition import FEATURE_NAMES, TABLES, builder
from features.keys import keys
from features.windows import State, observe
from schemas import hours
from trainer import prepare


class Built(NamedTuple):
    """Rows and labels, in time order, and the tables that are published."""

    rows: npt.NDArray[np.float32]  # (impressions, features)
    clicks: npt.NDArray[np.int8]
    hours: npt.NDArray[np.int32]  # YYMMDDHH
    tables: dict[str, dict[Value, Totals]]
    prior: float


class _Known:
    """Clicks and impressions of all hours that are over, and the CTR they give: the causal prior."""

    def __init__(self) -> None:
        self.clicks, self.impressions = 0, 0

    def rate(self) -> float:
        # Laplace's rule, so that the first hour has a prior too; fit leaves that hour out.
        return (self.clicks + 1) / (self.impressions + 2)


def build(
    log: pd.DataFrame, train_until: int, weight: float, progress: Callable[[int], None] = lambda rows: None
) -> Built:
    """The rows of the log, causally.

    Counts are those of the impressions before a row. The lookup tables give a row the clicks of the hours before its
    own; from `train_until` on they no longer learn, as a published bundle does not.

    Args:
        log: a frame of `prepare.read_log`.
        train_until: YYMMDDHH; the clicks of this hour and later ones are never looked at.
        weight: impressions that the prior is worth.
        progress: told of the number of rows after each hour.
    """
    tables = {table: CausalLookup(weight) for table in TABLES}
    known = _Known()
    build_row = builder(tables, known.rate)
    state: State = {}
    rows = np.empty((len(log), len(FEATURE_NAMES)), dtype=np.float32)
    for hour, part in prepare.hour_slices(log):
        shown = log.iloc[part]
        hour_index = hours.index(hour)
        rows[part] = [
            build_row(impression, observe(state, keys(impression), hour_index))
            for impression in prepare.impressions(shown)
        ]
        if hour < train_until:
            _learn(tables, known, shown)
        progress(len(shown))
    return Built(
        rows,
        log["click"].to_numpy(dtype=np.int8),
        log["hour"].to_numpy(dtype=np.int32),
        {table: lookup.totals for table, lookup in tables.items()},
        known.rate(),
    )


def _learn(tables: dict[str, CausalLookup], known: _Known, shown: pd.DataFrame) -> None:
    """Tell the tables and the prior the clicks of an hour that is over."""
    known.clicks += int(shown["click"].sum())
    known.impressions += len(shown)
    for table, fields in TABLES.items():
        by = fields[0] if len(fields) == 1 else list(fields)
        sums = shown.groupby(by, sort=False)["click"].agg(["sum", "count"])
        learn = tables[table].learn
        for value, clicks, impressions in zip(
            sums.index.tolist(), sums["sum"].tolist(), sums["count"].tolist(), strict=True
        ):
            learn(value, clicks, impressions)
