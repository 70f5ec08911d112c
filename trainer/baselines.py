"""What others would do on the same split: the models that ours has to beat.

Each takes the log's rows and the share of them that is learnt from, and gives click probabilities of the others.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoostClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from schemas.impression import FIELDS

Predictions = npt.NDArray[np.float64]
Baseline = Callable[[pd.DataFrame, pd.DataFrame], Predictions]

# All but what names a single impression or, nearly, a single user.
_CATEGORIES = [name for name in FIELDS if name not in ("id", "hour", "device_id", "device_ip")]
_HASHED_FEATURES = 2**18
_RANDOM_TEST_SHARE = 0.35  # about the sample's second day


def prior(train: pd.DataFrame, test: pd.DataFrame) -> Predictions:
    """The CTR of the training rows, for everything."""
    return np.full(len(test), train["click"].mean())


def hashed_logistic_regression(train: pd.DataFrame, test: pd.DataFrame) -> Predictions:
    """Logistic regression on the hashed values of single fields; C was chosen within the first day."""
    hasher = FeatureHasher(_HASHED_FEATURES, input_type="string", alternate_sign=False)
    model = LogisticRegression(C=0.1, solver="liblinear", random_state=0)
    model.fit(hasher.transform(_tokens(train)), train["click"])
    return np.asarray(model.predict_proba(hasher.transform(_tokens(test)))[:, 1])


def native_catboost(train: pd.DataFrame, test: pd.DataFrame) -> Predictions:
    """CatBoost that encodes the categories itself, with ordered statistics and their combinations."""
    model = CatBoostClassifier(
        iterations=300,
        depth=6,
        learning_rate=0.05,
        random_seed=0,
        thread_count=2,
        allow_writing_files=False,
        verbose=False,
        cat_features=_CATEGORIES,
    )
    model.fit(train[_CATEGORIES].astype(str), train["click"])
    return np.asarray(model.predict_proba(test[_CATEGORIES].astype(str))[:, 1])


def in_sample_means(train: pd.DataFrame, test: pd.DataFrame) -> Predictions:
    """The usual notebook: each value's mean click, unsmoothed, over the very rows that are fitted on; CatBoost."""
    return _means(train, test, learnt_from=train)


def leaky(log: pd.DataFrame, seed: int = 0) -> tuple[npt.NDArray[np.int8], Predictions]:
    """The same as it is often reported: means and counts over the whole file, then a random split.

    Returns:
        Clicks and predictions of the randomly chosen test rows: a score that says nothing of tomorrow.
    """
    is_test = np.random.default_rng(seed).random(len(log)) < _RANDOM_TEST_SHARE
    predictions = _means(log[~is_test], log[is_test], learnt_from=log)
    return log.loc[is_test, "click"].to_numpy(dtype=np.int8), predictions


BASELINES: dict[str, Baseline] = {
    "prior": prior,
    "hashed_logistic_regression": hashed_logistic_regression,
    "catboost_native_categories": native_catboost,
    "in_sample_means": in_sample_means,
}


def _tokens(log: pd.DataFrame) -> list[list[str]]:
    columns = [(name + "=" + log[name].astype(str)).tolist() for name in _CATEGORIES]
    return [list(row) for row in zip(*columns, strict=True)]


def _means(train: pd.DataFrame, test: pd.DataFrame, learnt_from: pd.DataFrame) -> Predictions:
    """CatBoost on each value's unsmoothed mean click, and on how often devices occur, in `learnt_from`."""
    parts = []
    for part in (train, test):
        columns = {
            name: part[name].map(learnt_from.groupby(name)["click"].mean()).fillna(learnt_from["click"].mean())
            for name in _CATEGORIES
        }
        columns |= {
            f"{name}_count": part[name].map(learnt_from[name].value_counts()).fillna(0)
            for name in ("device_ip", "device_id")
        }
        parts.append(pd.DataFrame(columns))
    model = CatBoostClassifier(
        iterations=100, depth=5, random_seed=0, thread_count=2, allow_writing_files=False, verbose=False
    )
    model.fit(parts[0], train["click"])
    return np.asarray(model.predict_proba(parts[1])[:, 1])
