"""What worker and API tell Prometheus of the model at work, under the same names: scores, unseen values, counts, drift.

Only some impressions are looked at closely: at most SAMPLED of a call, and these wait until there are enough of them to
be counted by numpy at once. So a batch of 1000 costs 0.15 ms, of the 30 ms that it takes (benchmarks/watch.py).
"""

import time
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from features.definition import FEATURE_NAMES, TABLES, Row
from features.windows import COUNT_NAMES
from model import drift
from model.bundle import Bundle
from model.rows import Rows
from schemas import hours
from schemas.impression import Impression

SAMPLED = 16  # impressions of a call that are looked at closely
FLUSH_IMPRESSIONS = 512
FLUSH_SECONDS = 5.0
PROBAS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)


class _Seen(NamedTuple):
    """An impression that was looked at."""

    impression: Impression
    row: Row | Rows
    click_proba: float


class Watch:
    """Watches the scores that one process makes.

    Args:
        bundle: what scores.
        registry: where the metrics are shown.
    """

    def __init__(self, bundle: Bundle, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began: a second series for each
        self._bundle = bundle
        self._waiting: list[_Seen] = []
        self._flushed = time.monotonic()
        self._values_of = {table: attrgetter(*fields) for table, fields in TABLES.items()}
        self._make(registry)
        self._show_model()

    def _make(self, registry: CollectorRegistry) -> None:
        self._last = Gauge("predicted_proba", "The last click_proba", registry=registry, multiprocess_mode="mostrecent")
        self._probas = Histogram("predicted_proba_hist", "Every click_proba", buckets=PROBAS, registry=registry)
        self._sampled = Counter(
            "ctr_sampled_impressions",
            "Impressions looked at for the metrics by table, count and bin",
            registry=registry,
        )
        self._unseen = Counter(
            "ctr_unseen_values",
            "Sampled impressions with a value that the table does not know",
            ["table"],
            registry=registry,
        )
        self._counts = Histogram(
            "ctr_count", "Counts of sampled impressions", ["count"], buckets=COUNTS, registry=registry
        )
        self._bins = Counter(
            "ctr_feature_bin",
            "Sampled impressions by bin of a feature or the score",
            ["feature", "bin"],
            registry=registry,
        )
        self._trained_bins = Gauge(
            "ctr_feature_bin_trained_ratio",
            "Share of the training rows in a bin",
            ["feature", "bin"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._info = Gauge(
            "ctr_model_info",
            "1 for the bundle that scores",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._trained_through = Gauge(
            "ctr_model_trained_through_timestamp_seconds",
            "End of the last hour that the bundle was trained on",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def _show_model(self) -> None:
        card = self._bundle.card
        self._info.labels(self._bundle.version).set(1)
        self._trained_through.set((hours.index(card.trained_through) + 1) * 3600)
        for feature, spread in card.spreads.items():
            for number, share in enumerate(spread.shares):
                self._trained_bins.labels(feature, str(number)).set(share)
                self._bins.labels(feature, str(number))  # so that a bin that nothing falls into is 0, not absent

    def observe(
        self, impressions: Sequence[Impression], rows: Sequence[Row] | Rows, click_probas: Sequence[float]
    ) -> None:
        """Impressions were scored; the three sequences belong together, one element an impression."""
        if not click_probas:
            return
        self._last.set(click_probas[-1])
        observe_all(self._probas, np.array(click_probas))
        step = -(-len(rows) // SAMPLED)
        self._waiting += map(_Seen, impressions[::step], rows[::step], click_probas[::step])
        now = time.monotonic()
        if len(self._waiting) >= FLUSH_IMPRESSIONS or now - self._flushed >= FLUSH_SECONDS:
            self._flushed = now
            self.flush()

    def flush(self) -> None:
        """Count the impressions that wait for it."""
        seen, self._waiting = self._waiting, []
        if not seen:
            return
        self._sampled.inc(len(seen))
        for table, values_of in self._values_of.items():
            known = self._bundle.tables[table]
            self._unseen.labels(table).inc(sum(values_of(one.impression) not in known for one in seen))
        columns = _columns(seen)
        for name in COUNT_NAMES:
            observe_all(self._counts.labels(name), columns[name])
        for feature, spread in self._bundle.card.spreads.items():
            for number, count in enumerate(drift.counts(spread.edges, columns[feature]).tolist()):
                if count:
                    self._bins.labels(feature, str(number)).inc(count)


def observe_all(histogram: Histogram, values: npt.NDArray[np.floating]) -> None:
    """Observe many values at once: a tenth of the time of `observe` a value.

    prometheus-client has no public way to; tests/test_model_watch.py holds this against `observe`.
    """
    found = np.bincount(np.searchsorted(histogram._upper_bounds, values), minlength=len(histogram._upper_bounds))
    for bucket, count in zip(histogram._buckets, found.tolist(), strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(float(values.sum()))


def _columns(seen: Sequence[_Seen]) -> Mapping[str, npt.NDArray[np.floating]]:
    # float32, as the trainer's rows that the edges come from
    rows = np.array([one.row for one in seen], dtype=np.float32)
    columns: dict[str, npt.NDArray[np.floating]] = {name: rows[:, at] for at, name in enumerate(FEATURE_NAMES)}
    return columns | {drift.SCORE: np.array([one.click_proba for one in seen])}
