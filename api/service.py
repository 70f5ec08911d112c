"""What the routes work with."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.counts import NO_COUNTS, Count, counter
from api.gather import ScoreOne, gathered
from api.metrics import Metrics
from api.score import Score, scorer
from api.settings import ApiSettings
from model.bundle import Bundle
from model.samples import Sample
from store.peek import Peek


@dataclass(frozen=True)
class Service:
    """The parts of one API process."""

    settings: ApiSettings
    bundle: Bundle
    samples: Sequence[Sample]
    metrics: Metrics
    count: Count
    score: Score
    score_one: ScoreOne


def service(settings: ApiSettings, bundle: Bundle, samples: Sequence[Sample], peek: Peek) -> Service:
    """Put the parts together.

    Args:
        settings: of the API.
        bundle: what scores.
        samples: impressions that the page offers, at least one; the first warms the model up.
        peek: of the store.
    """
    metrics = Metrics(bundle)
    count = counter(peek, metrics, degraded=settings.api_degraded)
    score = scorer(bundle, count, metrics)
    return Service(settings, bundle, samples, metrics, count, score, gathered(score, settings.api_max_waiting))


def warm_up(parts: Service) -> None:
    """Predict and explain once, so that the first request does not pay for what libraries do at first use."""
    row = parts.bundle.build(parts.samples[0].impression, NO_COUNTS)
    parts.bundle.predict([row])
    parts.bundle.explain(row)
