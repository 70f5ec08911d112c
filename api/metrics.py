"""What Prometheus sees of the API, beside what it shares with the worker (model.watch)."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_fastapi_instrumentator.metrics import Info

from api.problems import V2, ProblemError
from features.definition import Row
from model.bundle import Bundle
from model.watch import Watch
from schemas.impression import Impression

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
STAGES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
PREDICT_ROUTES = ("/predict", f"{V2}/models/{{name}}/infer")
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own variable: where the processes of one API add up


class Metrics:
    """The metrics of one API process, on a registry of their own.

    Args:
        bundle: what scores.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.registry = CollectorRegistry()
        self._watch = Watch(bundle, self.registry)
        self._predict_requests = Counter(
            "http_predict_request", "Requests for predictions by what they got", ["status"], registry=self.registry
        )
        self._rejected = Counter("ctr_api_rejected", "What was wrong with requests", ["reason"], registry=self.registry)
        self.redis_up = Gauge(
            "ctr_api_redis_up",
            "Whether Redis answered the last time",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._predictions = Counter("ctr_predictions", "Impressions that the API scored", registry=self.registry)
        self._degraded = Counter(
            "ctr_degraded_predictions", "Of these, with empty counts because Redis was away", registry=self.registry
        )
        self._batch = Histogram(
            "ctr_batch_impressions", "Impressions scored in one go", buckets=SIZES, registry=self.registry
        )
        self._stages = Histogram(
            "ctr_stage_seconds", "Time spent on one go", ["stage"], buckets=STAGES, registry=self.registry
        )
        self._by_stage = {stage: self._stages.labels(stage) for stage in ("redis", "features", "predict")}

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Times a stage of a go."""
        return self._by_stage[name].time()

    def observe(
        self, impressions: Sequence[Impression], rows: Sequence[Row], click_probas: Sequence[float], degraded: bool
    ) -> None:
        """Impressions were scored in one go."""
        self._watch.observe(impressions, rows, click_probas)
        self._batch.observe(len(rows))
        self._predictions.inc(len(rows))
        if degraded:
            self._degraded.inc(len(rows))

    def refused(self, error: ProblemError) -> None:
        """A request could not be met."""
        for fault in error.faults:
            self._rejected.labels(fault.reason).inc()

    def answered(self, request: Info) -> None:
        """A request was answered; those for predictions are counted."""
        if request.modified_handler in PREDICT_ROUTES:
            self._predict_requests.labels(request.modified_status).inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; of all processes that share DIRECTORY where that is set."""
        self._watch.flush()
        if DIRECTORY not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def end(self) -> None:
        """This process ends: what it alone could say is not said any more."""
        if DIRECTORY in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
