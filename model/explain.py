"""What moved a row's score: CatBoost's SHAP values, and what the linear model says."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from catboost import CatBoostClassifier, Pool

from features.definition import Row
from model.predict import LINEAR, LINEAR_SHARE


class Explanation(NamedTuple):
    """Log-odds that add up to what the model says of a row."""

    base: float  # of the average training row, as the trees have it
    by_feature: list[float]  # what each feature adds, in the order of FEATURE_NAMES


Explain = Callable[[Row], Explanation]


def explainer(model: CatBoostClassifier) -> Explain:
    """The function that takes a row's score apart into SHAP values (Lundberg et al. 2018, exact for trees)."""

    def explain(row: Row) -> Explanation:
        pool = Pool(np.array([row], dtype=np.float32))  # float32 as in predict: what is explained is what was scored
        values = (1 - LINEAR_SHARE) * model.get_feature_importance(pool, type="ShapValues", thread_count=1)[0]
        *by_feature, base = values.tolist()
        by_feature[LINEAR] += LINEAR_SHARE * float(np.float32(row[LINEAR]))
        return Explanation(base, by_feature)

    return explain
