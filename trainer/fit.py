"""Fit CatBoost on causal rows.

fit/
  model.cbm   CatBoost's own format
  fit.json    what it was fitted on
"""

import math
import mmap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoostClassifier, Pool

from features.definition import FEATURE_NAMES, LOG_ODDS
from model.predict import LINEAR_SHARE, log_odds
from schemas import hours
from trainer import build_features
from trainer.build_features import Features, Part
from trainer.stage import Advance, folder_of, quiet, read_json, write_json

CARD = "fit.json"
_MODEL = "model.cbm"

# From this many impressions on, trees see what the linear model says: with 4 million simulated ones they are better for
# it, those of a small log were searched without (docs/decisions/0008, 0011). Where it turns was not searched.
LINEAR_SEEN_FROM = 100_000

_FEW = 15_000  # impressions, as the search for the learning rate had
_AT_ONCE = 2**20  # rows predicted at a time


class FitParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model is fitted with."""

    iterations: int = 300
    depth: int = 5
    learning_rate: float = 0.026  # for 15,000 impressions; of more it is larger
    l2_leaf_reg: float = 22.0
    seed: int = 0
    threads: int = 2  # a parameter like the others: sums of floats, and so the file's last bits, depend on it


class Fitted(msgspec.Struct, frozen=True):
    """What fit.json says of a fitted model."""

    trained_through: int  # YYMMDDHH of the last hour learnt from
    impressions: int  # fitted on
    parameters: FitParameters


class _Progress:
    """CatBoost's callback: tells of each finished tree."""

    def __init__(self, tell: Advance) -> None:
        self._tell = tell

    def after_iteration(self, _: Any) -> bool:
        self._tell(1)
        return True


def fit_features(features: Path, out: Path, parameters: FitParameters, progress: Advance = quiet) -> Fitted:
    """Fit on the hours before `train_until` of built features, and write the folder `out`.

    Raises:
        ValueError: as `fit`, or a folder is none of `build_features`.
    """
    made, built = build_features.read(features)
    train = train_part(made, built)
    model = fit(train.rows, train.clicks, parameters, progress)
    fitted = Fitted(int(train.hours[-1]), len(train.hours), parameters)
    with folder_of(out) as part:
        model.save_model(str(part / _MODEL))
        write_json(part / CARD, fitted)
    return fitted


def train_part(features: Features, built: Part) -> Part:
    """The rows to fit on: without the first ones, whose empty tables would teach that tables say nothing."""
    index, every = hours.index(features.first_hour), features.refresh_hours
    return built.between(hours.from_index((index // every + 1) * every), features.train_until)


def read_card(folder: Path) -> Fitted:
    """What a model was fitted on."""
    return read_json(folder / CARD, Fitted)


def read(folder: Path) -> tuple[Fitted, CatBoostClassifier]:
    """A fitted model.

    Raises:
        ValueError: the folder is none of `fit_features`.
    """
    fitted = read_card(folder)
    model = CatBoostClassifier()
    model.load_model(str(folder / _MODEL))
    return fitted, model


def fit(
    rows: npt.NDArray[np.float32],
    clicks: npt.NDArray[np.int8],
    parameters: FitParameters,
    progress: Advance = quiet,
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
        learning_rate=learning_rate(parameters.learning_rate, len(clicks)),
        l2_leaf_reg=parameters.l2_leaf_reg,
        ignored_features=[] if len(clicks) >= LINEAR_SEEN_FROM else [LOG_ODDS],  # model.predict mixes it in as well
        boost_from_average=True,  # else trees begin at one half, of which regularisation leaves a bias
        random_seed=parameters.seed,
        thread_count=parameters.threads,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(_quantized(rows, clicks), callbacks=[_Progress(progress)])
    _unbias(model, rows, clicks)
    model.set_feature_names(list(FEATURE_NAMES))
    metadata = model.get_metadata()
    for varying in ("train_finish_time", "model_guid"):  # these alone would make equal models differ
        if varying in metadata:
            metadata[varying] = ""
    return model


def learning_rate(given: float, impressions: int) -> float:
    """What is given for few impressions, for this many: it grows with their fourth root (docs/decisions/0011).

    More impressions bear larger steps; more trees instead would cost the stream.
    """
    return given * math.sqrt(math.sqrt(max(1.0, impressions / _FEW)))


def _quantized(rows: npt.NDArray[np.float32], clicks: npt.NDArray[np.int8]) -> Pool:
    """A byte a value, which is all that CatBoost fits on; at full size the rows are four times that.

    The columns of a frame are read where they are, mapped files too; a matrix would be copied. CatBoost keeps them
    mapped to the end, so the pages that were read are given back: they are the file's and come again if asked for.
    """
    pool = Pool(pd.DataFrame(rows, columns=list(FEATURE_NAMES), copy=False), clicks)
    pool.quantize()
    _give_back(rows)
    return pool


def _unbias(model: CatBoostClassifier, rows: npt.NDArray[np.float32], clicks: npt.NDArray[np.int8]) -> None:
    """Shift the trees' log-odds until what is predicted of the training rows sums to their clicks.

    The trees' predictions do so by themselves. Mixed with the linear model's they were 1 - 2 % too low: a mean of two
    log-odds spreads less than either, and below one half what spreads less has lower probabilities on average; also the
    linear model is biased low (docs/decisions/0013).
    """
    mixed = np.empty(len(rows))
    for start in range(0, len(rows), _AT_ONCE):
        mixed[start : start + _AT_ONCE] = log_odds(model, rows[start : start + _AT_ONCE])
        _give_back(rows)
    shift, clicked = 0.0, float(clicks.sum())
    for _ in range(10):  # Newton's steps: for tenths of log-odds three are enough
        likely = 1 / (1 + np.exp(-(mixed + shift)))
        shift += float((clicked - likely.sum()) / (likely * (1 - likely)).sum())
    scale, bias = model.get_scale_and_bias()
    model.set_scale_and_bias(scale, bias + round(shift, 9) / (1 - LINEAR_SHARE))  # more is the processor's


def _give_back(rows: npt.NDArray[np.float32]) -> None:
    """Have the pages of a mapped file count as this process' memory no longer."""
    if isinstance(rows, np.memmap):
        rows._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # numpy's name for what it mapped
