"""Bootstrap intervals."""

import numpy as np
import pytest

from trainer.intervals import bootstrap
from trainer.quality import quality

pytestmark = pytest.mark.slow


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated predictions with ties, and clicks."""
    draw = np.random.default_rng(seed)
    predictions = draw.choice([0.05, 0.1, 0.2, 0.4], count)
    return (draw.random(count) < predictions).astype(np.int8), predictions


@pytest.mark.parametrize("figure", ["logloss", "normalized_entropy", "auc", "calibration_ratio"])
def test_an_interval_holds_its_figure_and_narrows_with_more_rows(figure: str) -> None:
    """The figure of all rows lies inside, and sixteen times the rows give about a quarter of the width."""
    widths = []
    for count in (1_000, 16_000):
        clicks, predictions = drawn(count)
        low, high = getattr(bootstrap(clicks, predictions, resamples=200), figure)
        assert low < getattr(quality(clicks, predictions), figure) < high
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6


def test_equal_seeds_give_equal_intervals() -> None:
    """Reproducible; another seed differs."""
    clicks, predictions = drawn(500)
    assert bootstrap(clicks, predictions, resamples=50) == bootstrap(clicks, predictions, resamples=50)
    assert bootstrap(clicks, predictions, resamples=50) != bootstrap(clicks, predictions, resamples=50, seed=1)
