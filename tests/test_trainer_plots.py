"""The calibration plot."""

from pathlib import Path

import numpy as np
import pytest

from trainer.plots import calibration

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [1, 3, 500])
def test_a_png_is_written_for_any_number_of_impressions(tmp_path: Path, count: int) -> None:
    """Fewer impressions than bins, or many: the picture is drawn without a warning."""
    draw = np.random.default_rng(0)
    predictions = draw.random(count) * 0.4 + 0.01
    clicks = (draw.random(count) < predictions).astype(np.int8)
    calibration(clicks, predictions, "made up", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("click", [0, 1])
def test_clicks_of_one_kind_are_drawn_too(tmp_path: Path, click: int) -> None:
    """A test without any click, or with clicks only, has a plot."""
    calibration(np.full(40, click, dtype=np.int8), np.full(40, 0.2), "one kind", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
