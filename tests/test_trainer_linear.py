"""The linear model: FTRL-Proximal against its paper, row by row."""

import math

import numpy as np
import pytest

from trainer import linear
from trainer.linear import Linear


def test_one_value_a_row_is_the_papers_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """With steps of one impression, the log-odds are those of McMahan et al.'s Algorithm 1 with L1 = 0."""
    monkeypatch.setattr(linear, "BATCH", 1)
    draw = np.random.default_rng(0)
    values = np.stack([draw.integers(0, 3, 200), draw.integers(3, 6, 200)], axis=1).astype(np.int32)
    clicks = (draw.random(200) < 0.3).astype(np.int8)
    model = Linear()
    model.learn(values, clicks, 0.2, 6)
    z, n, w = [0.0] * 6, [0.0] * 6, [0.0] * 6
    for row, click in zip(values.tolist(), clicks.tolist(), strict=True):
        gradient = 1 / (1 + math.exp(-(math.log(0.25) + sum(w[i] for i in row)))) - click
        for i in row:
            sigma = (math.sqrt(n[i] + gradient**2) - math.sqrt(n[i])) / linear.RATE
            z[i] += gradient - sigma * w[i]
            n[i] += gradient**2
        for i in row:
            w[i] = -z[i] / ((linear.SMOOTHING + math.sqrt(n[i])) / linear.RATE + linear.L2)
    assert model.log_odds.tolist() == pytest.approx(w, abs=10**-linear.DECIMALS)


def test_what_is_clicked_more_adds_more_and_what_never_came_adds_nothing() -> None:
    """Signs and zeros; values that are numbered later keep what was learnt before."""
    values = np.array([[0], [1]] * 200, dtype=np.int32)
    model = Linear()
    model.learn(values, np.array([1, 0] * 200, dtype=np.int8), 0.5, 3)
    first, second, never = model.log_odds.tolist()
    assert first > 0.5
    assert second < -0.5
    assert never == 0
    model.learn(values[:0], np.zeros(0, dtype=np.int8), 0.5, 5)
    assert model.log_odds.tolist() == [first, second, 0, 0, 0]
