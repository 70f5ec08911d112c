"""Figures of merit, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.quality import Quality, quality


def of(clicks: list[int], predictions: list[float]) -> Quality:
    """The quality of lists."""
    return quality(np.array(clicks, dtype=np.int8), np.array(predictions))


def test_the_figures_by_hand() -> None:
    """Logloss, normalized entropy, AUC and calibration of four predictions."""
    found = of([1, 0, 0, 1], [0.8, 0.5, 0.25, 0.4])
    logloss = -(math.log(0.8) + math.log(0.5) + math.log(0.75) + math.log(0.4)) / 4
    assert (found.impressions, found.clicks) == (4, 2)
    assert found.logloss == pytest.approx(logloss)
    assert found.normalized_entropy == pytest.approx(logloss / math.log(2))
    assert found.auc == 0.75  # 3 of the 4 pairs are in the right order
    assert found.calibration_ratio == pytest.approx(1.95 / 2)


@given(st.lists(st.integers(0, 1), min_size=2).filter(lambda clicks: 0 < sum(clicks) < len(clicks)))
def test_knowing_only_the_rate_is_an_entropy_of_1(clicks: list[int]) -> None:
    """The constant prediction of the CTR has normalized entropy 1, AUC one half, calibration 1."""
    found = of(clicks, [sum(clicks) / len(clicks)] * len(clicks))
    assert found.normalized_entropy == pytest.approx(1)
    assert found.auc == 0.5
    assert found.calibration_ratio == pytest.approx(1)


@pytest.mark.parametrize("click", [0, 1])
def test_labels_of_one_kind_have_no_auc(click: int) -> None:
    """Where all labels are the same, what is undefined is nan, and no warning is given."""
    found = of([click] * 3, [0.2, 0.3, 0.4])
    assert math.isnan(found.auc)
    assert math.isnan(found.normalized_entropy)
    assert math.isfinite(found.logloss)
    assert found.calibration_ratio == (pytest.approx(0.3) if click else math.inf)


def test_nothing_to_evaluate_is_an_error() -> None:
    """There is no quality of no impressions."""
    with pytest.raises(ValueError, match="no impressions"):
        of([], [])
