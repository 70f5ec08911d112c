"""The tables behind the plots of an evaluation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.definition import FEATURE_NAMES
from trainer import curves
from trainer.build_features import Part
from trainer.quality import quality

HOURS = np.repeat(np.array([14103123, 14110100, 14110101], dtype=np.int32), 200)


def made_up(click_rate: float = 0.3) -> tuple[Part, np.ndarray]:
    """600 test rows over two days, with predictions that say something."""
    draw = np.random.default_rng(1)
    rows = np.zeros((600, len(FEATURE_NAMES)), dtype=np.float32)
    rows[:, FEATURE_NAMES.index("banner_pos")] = draw.integers(0, 2, 600)
    clicks = (draw.random(600) < click_rate).astype(np.int8)
    return Part(rows, clicks, HOURS), np.clip(0.2 + 0.2 * clicks + 0.3 * draw.random(600), 0, 1)


def test_days_and_slices_have_their_own_figures(tmp_path: Path) -> None:
    """Each row of the tables is the quality of its part, and parts of one kind cover all impressions."""
    test, predictions = made_up()
    curves.write(tmp_path, test, predictions)
    days = pd.read_csv(tmp_path / "days.csv").set_index("day")
    assert days["impressions"].to_dict() == {141031: 200, 141101: 400}
    first = quality(test.clicks[:200], predictions[:200])
    assert days.loc[141031, "logloss"] == pytest.approx(first.logloss)
    assert days.loc[141031, "auc"] == pytest.approx(first.auc)
    slices = pd.read_csv(tmp_path / "slices.csv").set_index("slice")
    assert slices.loc[["banner_pos 0", "banner_pos 1"], "impressions"].sum() == 600
    assert slices.loc["device_id_known 0", "impressions"] == 600


def test_the_roc_and_the_calibration_are_those_of_the_predictions(tmp_path: Path) -> None:
    """The area under roc.csv is the AUC; calibration.csv has all impressions and clicks, in rising click_proba."""
    test, predictions = made_up()
    curves.write(tmp_path, test, predictions)
    roc = pd.read_csv(tmp_path / "roc.csv")
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(quality(test.clicks, predictions).auc, abs=0.01)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    assert bins["impressions"].sum() == 600
    assert (bins["clicked"] * bins["impressions"]).sum() == pytest.approx(test.clicks.sum())
    assert bins["click_proba"].is_monotonic_increasing


@pytest.mark.parametrize("rows", [0, 1, 600])
def test_without_clicks_there_are_still_tables(tmp_path: Path, rows: int) -> None:
    """A test without rows or clicks gives tables that are read, without a ROC."""
    test, predictions = made_up(click_rate=0.0)
    cut = test._replace(rows=test.rows[:rows], clicks=test.clicks[:rows], hours=test.hours[:rows])
    curves.write(tmp_path, cut, predictions[:rows])
    assert pd.read_csv(tmp_path / "roc.csv").empty
    assert pd.read_csv(tmp_path / "calibration.csv")["impressions"].sum() == rows
    assert (tmp_path / "days.csv").is_file()
