"""Tables behind the plots of an evaluation: `dvc plots show` draws them, and `dvc plots diff` compares two trainings.

roc.csv           the ROC curve, thinned to POINTS
calibration.csv   mean click_proba and share clicked in BINS of equally many impressions
days.csv          the figures of merit, day by day
slices.csv        the same for parts of the impressions that are worth a look
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec.structs import asdict
from sklearn.metrics import roc_curve

from features.definition import FEATURE_NAMES
from trainer.build_features import Part
from trainer.quality import quality

POINTS, BINS = 200, 20
_SLICED_BY = ("banner_pos", "device_id_known")


def write(folder: Path, test: Part, predictions: npt.NDArray[np.float64]) -> None:
    """Write the four tables; without test rows, or with clicks of one kind, those that need them have a header only."""
    _roc(test.clicks, predictions).to_csv(folder / "roc.csv", index=False)
    _calibration(test.clicks, predictions).to_csv(folder / "calibration.csv", index=False)
    days = ((str(day), test.hours // 100 == day) for day in np.unique(test.hours // 100).tolist())
    _figures("day", days, test.clicks, predictions).to_csv(folder / "days.csv", index=False)
    _figures("slice", _slices(test), test.clicks, predictions).to_csv(folder / "slices.csv", index=False)


def _roc(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> pd.DataFrame:
    columns = ["false_positive_rate", "true_positive_rate"]
    if len(np.unique(clicks)) < 2:
        return pd.DataFrame(columns=columns)
    false, true, _ = roc_curve(clicks, predictions)
    at = np.linspace(0, 1, POINTS)
    return pd.DataFrame(dict(zip(columns, (at, np.interp(at, false, true)), strict=True)))


def _calibration(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> pd.DataFrame:
    order = np.argsort(predictions, kind="stable")
    bins = [rows for rows in np.array_split(order, BINS) if len(rows)]
    return pd.DataFrame(
        [(predictions[rows].mean(), clicks[rows].mean(), len(rows)) for rows in bins],
        columns=["click_proba", "clicked", "impressions"],
    )


def _figures(
    name: str,
    parts: Iterator[tuple[str, npt.NDArray[np.bool_]]],
    clicks: npt.NDArray[np.int8],
    predictions: npt.NDArray[np.float64],
) -> pd.DataFrame:
    """One row a part."""
    return pd.DataFrame([{name: part} | asdict(quality(clicks[rows], predictions[rows])) for part, rows in parts])


def _slices(test: Part) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    for name in _SLICED_BY:
        column = test.rows[:, FEATURE_NAMES.index(name)]
        for value in np.unique(column).tolist():
            yield f"{name} {value:g}", column == value
    for hour in range(24):
        if (chosen := test.hours % 100 == hour).any():
            yield f"hour_of_day {hour}", chosen
