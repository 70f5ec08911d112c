"""Make the bundle: the fitted model, the tables, and the card that says how it was trained and how good it is."""

from pathlib import Path

import msgspec

from model import bundle, drift
from model.bundle import Card
from model.predict import predictor
from model.tables import read_tables
from trainer import build_features, evaluate, fit
from trainer.stage import folder_of

_SPREAD_ROWS = 200_000  # training rows, evenly spaced, from which the spread of the features is taken


def publish(features: Path, fitted: Path, evaluation: Path, out: Path) -> Card:
    """Write the bundle of a fitted model; `out` is replaced when all is complete.

    Args:
        features: a folder of `build_features`: tables and prior.
        fitted: a folder of `fit`: the model.
        evaluation: a folder of `evaluate`: the metrics.
        out: the bundle.
    """
    made, built = build_features.read(features)
    card, model = fit.read(fitted)
    metrics = msgspec.json.decode((evaluation / evaluate.CARD).read_bytes(), type=dict[str, float])
    train = fit.train_part(made, built)
    every = max(1, len(train.rows) // _SPREAD_ROWS)
    sample = train.rows[::every]
    spreads = drift.spreads(sample, evaluate.predict_all(predictor(model), sample))
    with folder_of(out) as part:
        return bundle.save(
            part,
            model,
            read_tables(features / build_features.TABLES),
            prior=made.prior,
            weight=made.weight,
            trained_from=made.first_hour,
            trained_through=card.trained_through,
            impressions=len(built.between(0, made.train_until).hours),
            metrics=metrics,
            spreads=spreads,
        )
