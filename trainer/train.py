"""From a log to a bundle: prepare, build features, fit, evaluate, publish."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from model import bundle, drift
from model.predict import predictor
from trainer import build_features, evaluate, prepare
from trainer.evaluate import Quality
from trainer.fit import FitParameters, fit

WEIGHT = 20.0  # impressions that the prior is worth in the lookup tables


class Stage(Protocol):
    """Shows one stage's progress: `stage(name, total)` gives the function that is told of each advance."""

    def __call__(self, name: str, total: int, /) -> Callable[[int], None]:
        """Begin the stage `name` of `total` steps."""
        ...


class Trained(NamedTuple):
    """What training made."""

    card: bundle.Card
    train_impressions: int
    test: Quality | None  # None where the log ends before `train_until`


def _quiet(name: str, total: int, /) -> Callable[[int], None]:
    return lambda advance: None


def train(
    log_path: Path,
    train_until: int,
    out: Path,
    parameters: FitParameters = FitParameters(),  # noqa: B008  # frozen
    stage: Stage = _quiet,
) -> Trained:
    """Learn from the hours before `train_until` (YYMMDDHH), test on those from it on, write the bundle to `out`.

    Raises:
        prepare.LogError: the log can not be read, or none of its hours is before `train_until`.
    """
    log = prepare.read_log(log_path)
    first = int(log["hour"].iloc[0])
    built = build_features.build(log, train_until, WEIGHT, stage("features", len(log)))
    # The first hour's rows have empty tables: they would teach the model that tables say nothing.
    is_train = (built.hours < train_until) & (built.hours > first)
    is_test = built.hours >= train_until
    if not is_train.any():
        raise prepare.LogError(
            f"{log_path}: its hours begin at {first}; --train-until must be at least two hours later"
        )
    model = fit(built.rows[is_train], built.clicks[is_train], parameters, stage("trees", parameters.iterations))
    test = None
    if is_test.any():
        predictions = np.array(predictor(model)(built.rows[is_test]))
        test = evaluate.quality(built.clicks[is_test], predictions)
    card = bundle.save(
        out,
        model,
        built.tables,
        prior=built.prior,
        weight=WEIGHT,
        trained_from=first,
        trained_through=int(built.hours[is_train].max()),
        impressions=int((built.hours < train_until).sum()),
        metrics=_finite(test) if test else {},
        spreads=drift.spreads(built.rows[is_train], np.array(predictor(model)(built.rows[is_train]))),
    )
    return Trained(card, int(is_train.sum()), test)


def _finite(test: Quality) -> dict[str, float]:
    """The figures that JSON can hold; the AUC of a test without clicks, say, is left out."""
    return {name: float(value) for name, value in msgspec.structs.asdict(test).items() if np.isfinite(value)}
