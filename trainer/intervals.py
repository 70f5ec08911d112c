"""How sure figures of merit are: bootstrap intervals."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.quality import entropy, row_losses

Interval = tuple[float, float]
RESAMPLES = 400


class Intervals(NamedTuple):
    """The central 95 % of each figure over resampled impressions; nan where a resample has no value."""

    logloss: Interval
    normalized_entropy: Interval
    auc: Interval
    calibration_ratio: Interval


def bootstrap(
    clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> Intervals:
    """Intervals of the figures of `quality.quality`, by resampling impressions with replacement.

    Each resample is a weight an impression, the number of times that it was drawn, so all figures are weighted sums
    over rows that are sorted once.
    """
    draw = np.random.default_rng(seed)
    order = np.argsort(predictions, kind="stable")
    clicked, predicted = clicks[order].astype(np.float64), predictions[order]
    losses = row_losses(clicks, predictions)[order]
    groups = np.flatnonzero(np.diff(predicted, prepend=-1))  # rows of equal predictions
    found = [
        _figures(
            np.bincount(draw.integers(0, len(order), len(order)), minlength=len(order)),
            clicked,
            predicted,
            losses,
            groups,
        )
        for _ in range(resamples)
    ]
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return Intervals(*zip(low.tolist(), high.tolist(), strict=True))


def _figures(
    weights: npt.NDArray[np.int64],
    clicked: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.float64],
    losses: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
) -> tuple[float, float, float, float]:
    clicks = float(weights @ clicked)
    total = len(weights)
    if not 0 < clicks < total:
        return (float(weights @ losses) / total, np.nan, np.nan, np.nan)
    logloss = float(weights @ losses) / total
    # AUC is the share of pairs (clicked, unclicked) in the right order, those of equal predictions counted as half.
    yes = np.add.reduceat(weights * clicked, groups)
    no = np.add.reduceat(weights * (1 - clicked), groups)
    auc = float(yes @ (np.cumsum(no) - no / 2)) / (clicks * (total - clicks))
    return (logloss, logloss / entropy(clicks / total), auc, float(weights @ predicted) / clicks)
