"""How good probabilities are.

evaluation/
  quality.json      figures of merit on the test hours; empty where there are none
  predictions.npy   float64, one a row of the test hours
"""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, roc_auc_score

from model.predict import Predict, predictor
from trainer import build_features, fit
from trainer.stage import Advance, folder_of, quiet

CARD = "quality.json"
_BLOCK = 100_000  # rows predicted at a time


class Quality(msgspec.Struct, frozen=True):
    """Figures of merit of predicted click probabilities."""

    impressions: int
    clicks: int
    logloss: float  # nats an impression
    normalized_entropy: float  # logloss / entropy of the labels' mean; 1 is knowing only the CTR (He et al. 2014)
    auc: float  # nan where all labels are the same
    calibration_ratio: float  # sum of predictions / clicks; 1 is perfect


def evaluate(features: Path, fitted: Path, out: Path, progress: Advance = quiet) -> Quality | None:
    """Judge a fitted model on the hours from `train_until` on; None where the log ends before it.

    Args:
        features: a folder of `build_features`.
        fitted: a folder of `fit`.
        out: appears when it is complete.
        progress: told of the rows predicted.
    """
    made, built = build_features.read(features)
    _, model = fit.read(fitted)
    test = built.between(made.train_until)
    predictions = predict_all(predictor(model), test.rows, progress)
    found = quality(test.clicks, predictions) if len(test.hours) else None
    with folder_of(out) as part:
        np.save(part / "predictions.npy", predictions)
        (part / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(finite(found) if found else {})) + b"\n")
    return found


def predict_all(predict: Predict, rows: npt.NDArray[np.float32], progress: Advance = quiet) -> npt.NDArray[np.float64]:
    """The probabilities of any number of rows, a block at a time."""
    predictions = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        predictions[start : start + len(block)] = predict(block)
        progress(len(block))
    return predictions


def finite(found: Quality) -> dict[str, float]:
    """The figures that JSON can hold; the AUC of a test without clicks, say, is left out."""
    return {name: float(value) for name, value in msgspec.structs.asdict(found).items() if np.isfinite(value)}


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
