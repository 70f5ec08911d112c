"""Impressions in, predictions out: counts peeked from Redis, then the row and the model that the stream uses."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from api.counts import Count
from api.metrics import Metrics
from features.definition import Row
from features.windows import COUNT_NAMES
from model.bundle import Bundle
from schemas import prediction
from schemas.impression import Impression
from schemas.prediction import Prediction

CountedPrediction = prediction.struct_of(COUNT_NAMES)


class Scored(NamedTuple):
    """A prediction, and the row that it was made from."""

    prediction: Prediction
    row: Row


Score = Callable[[Sequence[Impression]], Awaitable[list[Scored]]]


def scorer(bundle: Bundle, count: Count, metrics: Metrics) -> Score:
    """The function that scores impressions, in order, in one round trip and one predict call.

    Args:
        bundle: what scores.
        count: gives the counts.
        metrics: told of everything.

    Returns:
        `score(impressions)`, which raises what `count` raises.
    """

    async def score(impressions: Sequence[Impression]) -> list[Scored]:
        with metrics.stage("redis"):
            counted = await count(impressions)
        with metrics.stage("features"):
            rows = [bundle.build(one, counts) for one, counts in zip(impressions, counted.counts, strict=True)]
        with metrics.stage("predict"):
            click_probas = bundle.predict(rows)
        metrics.observe(impressions, rows, click_probas, counted.degraded)
        version, now, degraded = bundle.version, time.time(), counted.degraded
        return [
            Scored(
                CountedPrediction(one.id, one.device_ip, click_proba, version, one.hour, now, *(*counts, degraded)),
                row,
            )
            for one, counts, row, click_proba in zip(impressions, counted.counts, rows, click_probas, strict=True)
        ]

    return score
