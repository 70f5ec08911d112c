"""Rows to click probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from catboost import CatBoostClassifier

from features.definition import FEATURE_NAMES, LOG_ODDS, Row

Predict = Callable[[Sequence[Row] | npt.NDArray[np.float32]], list[float]]


# How much of the log-odds comes from the linear model; the rest comes from the trees. Chosen within the first day of
# the real sample: docs/decisions/0008.
LINEAR_SHARE = 0.3
LINEAR = FEATURE_NAMES.index(LOG_ODDS)


def predictor(model: CatBoostClassifier) -> Predict:
    """The function that gives each row's click probability: the linear model's and the trees' log-odds, mixed.

    A row's result does not depend on the rows beside it, to the last bit: tests/test_model_predict.py holds CatBoost
    to it. One thread: a batch of 1000 rows takes under a millisecond, and workers scale by processes.
    """

    def predict(rows: Sequence[Row] | npt.NDArray[np.float32]) -> list[float]:
        # Beyond 30 a float's probability would be 1, and the logloss of an unclicked one infinite.
        probabilities: list[float] = (1 / (1 + np.exp(-log_odds(model, rows).clip(-30, 30)))).tolist()
        return probabilities

    return predict


def log_odds(model: CatBoostClassifier, rows: Sequence[Row] | npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Of a click, one a row."""
    # One feature after the other: CatBoost takes such a matrix as it is, and copies any other value by value.
    matrix = np.asfortranarray(rows, dtype=np.float32)
    trees = model.predict(matrix, prediction_type="RawFormulaVal", thread_count=1)
    return np.asarray(LINEAR_SHARE * matrix[:, LINEAR].astype(np.float64) + (1 - LINEAR_SHARE) * trees)
