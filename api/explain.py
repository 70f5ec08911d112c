"""Why a prediction is what it is, for people."""

import msgspec

from api.score import Scored
from features.definition import FEATURE_NAMES, TABLES
from model.bundle import Bundle
from schemas.impression import Impression
from schemas.prediction import Prediction


class TableRate(msgspec.Struct, frozen=True):
    """What a lookup table says of the impression's value."""

    table: str
    value: str
    ctr: float  # smoothed, as in the row
    seen: bool


class Contribution(msgspec.Struct, frozen=True):
    """What a feature added to the score."""

    feature: str
    value: float
    log_odds: float  # SHAP value of the trees; what the linear model says stands at its own feature


class Explained(msgspec.Struct, frozen=True):
    """A prediction and its reasons."""

    prediction: Prediction
    prior: float  # CTR of the training log
    tables: list[TableRate]
    base_log_odds: float  # of the average training row; with all contributions added, what the model says
    contributions: list[Contribution]  # the strongest first


def explained(bundle: Bundle, shown: Impression, scored: Scored) -> Explained:
    """The reasons of a prediction."""
    explanation = bundle.explain(scored.row)
    contributions = [
        Contribution(feature, value, log_odds)
        for feature, value, log_odds in zip(FEATURE_NAMES, scored.row, explanation.by_feature, strict=True)
    ]
    contributions.sort(key=lambda one: -abs(one.log_odds))
    row = dict(zip(FEATURE_NAMES, scored.row, strict=True))
    tables = [_rate(bundle, table, shown, row[f"ctr_{table}"]) for table in TABLES]
    return Explained(scored.prediction, bundle.card.prior, tables, explanation.base, contributions)


def _rate(bundle: Bundle, table: str, shown: Impression, rate: float) -> TableRate:
    values = tuple(getattr(shown, field) for field in TABLES[table])
    seen = (values if len(values) > 1 else values[0]) in bundle.tables[table]
    return TableRate(table, " x ".join(map(str, values)), rate, seen)
