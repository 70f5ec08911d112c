"""Figures of merit of predicted click probabilities."""

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

BINS = 15
_DECIMALS = 10  # further ones are the processor's


class Quality(msgspec.Struct, frozen=True):
    """Figures of merit of predicted click probabilities."""

    impressions: int
    clicks: int
    logloss: float  # nats an impression
    normalized_entropy: float  # logloss / entropy of the labels' mean; 1 is knowing only the CTR (He et al. 2014)
    auc: float  # nan where all labels are the same
    calibration_ratio: float  # sum of predictions / clicks; 1 is perfect
    expected_calibration_error: float  # mean |prediction - share clicked| over BINS of equally many impressions


def quality(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> Quality:
    """The quality of `predictions` for the labels `clicks`, both of shape (impressions,).

    Raises:
        ValueError: there are no impressions.
    """
    if len(clicks) == 0:
        raise ValueError("evaluate: no impressions to evaluate on")
    clicked = int(clicks.sum())
    both = 0 < clicked < len(clicks)
    logloss = float(row_losses(clicks, predictions).mean())
    figures = (
        logloss,
        logloss / entropy(clicked / len(clicks)) if both else float("nan"),
        float(roc_auc_score(clicks, predictions)) if both else float("nan"),
        float(predictions.sum() / clicked) if clicked else float("inf"),
        _calibration_error(clicks, predictions),
    )
    return Quality(len(clicks), clicked, *(round(figure, _DECIMALS) for figure in figures))


def row_losses(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The logloss of each impression, in nats; a certain prediction that was wrong costs as much as floats can say."""
    tiny = np.finfo(np.float64).eps
    likely = np.where(clicks == 1, predictions, 1 - predictions).clip(tiny, 1)
    return np.asarray(-np.log(likely))


def _calibration_error(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> float:
    bins = np.array_split(np.argsort(predictions, kind="stable"), min(BINS, len(clicks)))
    return float(sum(abs(float((predictions[rows] - clicks[rows]).sum())) for rows in bins) / len(clicks))


def entropy(rate: float) -> float:
    """Of a click with this probability, in nats: the logloss of knowing only the CTR."""
    return float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def finite(found: Quality) -> dict[str, float]:
    """The figures that JSON can hold; the AUC of a test without clicks, say, is left out."""
    return {name: float(value) for name, value in msgspec.structs.asdict(found).items() if np.isfinite(value)}
