"""Rows to click probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from catboost import CatBoostClassifier

from features.definition import Row

Predict = Callable[[Sequence[Row] | npt.NDArray[np.float32]], list[float]]


def predictor(model: CatBoostClassifier) -> Predict:
    """The function that gives each row's click probability.

    A row's result does not depend on the rows beside it, to the last bit: tests/test_model_predict.py holds CatBoost
    to it. One thread: a batch of 1000 rows takes under a millisecond, and workers scale by processes.
    """

    def predict(rows: Sequence[Row] | npt.NDArray[np.float32]) -> list[float]:
        matrix = np.array(rows, dtype=np.float32)
        probabilities: list[float] = model.predict_proba(matrix, thread_count=1)[:, 1].tolist()
        return probabilities

    return predict
