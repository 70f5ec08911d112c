"""Figures of merit of predicted click probabilities."""

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, roc_auc_score


class Quality(msgspec.Struct, frozen=True):
    """Figures of merit of predicted click probabilities."""

    impressions: int
    clicks: int
    logloss: float  # nats an impression
    normalized_entropy: float  # logloss / entropy of the labels' mean; 1 is knowing only the CTR (He et al. 2014)
    auc: float  # nan where all labels are the same
    calibration_ratio: float  # sum of predictions / clicks; 1 is perfect


def quality(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> Quality:
    """The quality of `predictions` for the labels `clicks`, both of shape (impressions,).

    Raises:
        ValueError: there are no impressions.
    """
    if len(clicks) == 0:
        raise ValueError("evaluate: no impressions to evaluate on")
    clicked = int(clicks.sum())
    both = 0 < clicked < len(clicks)
    logloss = float(log_loss(clicks, predictions, labels=[0, 1]))
    return Quality(
        impressions=len(clicks),
        clicks=clicked,
        logloss=logloss,
        normalized_entropy=logloss / _entropy(clicked / len(clicks)) if both else float("nan"),
        auc=float(roc_auc_score(clicks, predictions)) if both else float("nan"),
        calibration_ratio=float(predictions.sum() / clicked) if clicked else float("inf"),
    )


def _entropy(rate: float) -> float:
    return float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def finite(found: Quality) -> dict[str, float]:
    """The figures that JSON can hold; the AUC of a test without clicks, say, is left out."""
    return {name: float(value) for name, value in msgspec.structs.asdict(found).items() if np.isfinite(value)}
