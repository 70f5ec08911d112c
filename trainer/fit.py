"""Fit CatBoost on causal rows."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from catboost import CatBoostClassifier

from features.definition import FEATURE_NAMES


class FitParameters(msgspec.Struct, frozen=True):
    """What the model is fitted with."""

    iterations: int = 300
    depth: int = 6
    learning_rate: float = 0.05
    l2_leaf_reg: float = 10.0
    seed: int = 0


class _Progress:
    """CatBoost's callback: tells of each finished tree."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell

    def after_iteration(self, _: Any) -> bool:
        self._tell(1)
        return True


def fit(
    rows: npt.NDArray[np.float32],
    clicks: npt.NDArray[np.int8],
    parameters: FitParameters,
    progress: Callable[[int], None] = lambda trees: None,
) -> CatBoostClassifier:
    """The fitted model; equal arguments give an equal file.

    Raises:
        ValueError: there are no rows, or the clicks are all the same.
    """
    if len(np.unique(clicks)) < 2:
        raise ValueError(
            f"fit: expected clicked and unclicked rows, got {len(clicks)} rows of one kind; train on more hours"
        )
    model = CatBoostClassifier(
        iterations=parameters.iterations,
        depth=parameters.depth,
        learning_rate=parameters.learning_rate,
        l2_leaf_reg=parameters.l2_leaf_reg,
        random_seed=parameters.seed,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(rows, clicks, callbacks=[_Progress(progress)])
    model.set_feature_names(list(FEATURE_NAMES))
    metadata = model.get_metadata()
    for varying in ("train_finish_time", "model_guid"):  # these alone would make equal models differ
        if varying in metadata:
            metadata[varying] = ""
    return model
