"""What worker and API tell of the model at work."""

import fakes
import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from features.definition import TABLES
from model.bundle import Bundle
from model.watch import SAMPLED, Watch, observe_all
from schemas.impression import Impression

BOUNDS = (0, 1, 2.5, 10)


@given(st.lists(st.one_of(st.integers(0, 12), st.floats(0, 20)), max_size=50))
def test_many_values_at_once_are_observed_as_one_by_one(values: list[float]) -> None:
    """The same buckets, sum and count as prometheus-client's own method gives."""
    one, many = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("h", "h", buckets=BOUNDS, registry=one)
    for value in values:
        histogram.observe(value)
    observe_all(Histogram("h", "h", buckets=BOUNDS, registry=many), np.array(values, dtype=float))
    wanted, found = ({name: r.get_sample_value(name, labels) for name, labels in samples(r)} for r in (one, many))
    assert wanted.keys() == found.keys()
    assert np.allclose(list(wanted.values()), list(found.values()))


def samples(registry: CollectorRegistry) -> list[tuple[str, dict[str, str]]]:
    """Names and labels of all samples but those that say when."""
    return [
        (sample.name, sample.labels)
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    ]


def watched(bundle: Bundle, impressions: list[Impression]) -> CollectorRegistry:
    """What is told after these were scored in one call."""
    registry = CollectorRegistry()
    watch = Watch(bundle, registry)
    rows = [bundle.build(one, (0, 1, 0, 0, 5, 50)) for one in impressions]
    watch.observe(impressions, rows, bundle.predict(rows) if rows else [])
    watch.flush()
    return registry


def test_every_score_is_counted_and_a_sample_is_looked_at(bundle_: Bundle) -> None:
    """Of a large call all probabilities are in the histogram and a bounded number of rows in the bins."""
    impressions = [fakes.impression(site_id=f"site{number % 8}") for number in range(500)]
    registry = watched(bundle_, impressions)
    assert registry.get_sample_value("predicted_proba_hist_count") == 500
    sampled = registry.get_sample_value("ctr_sampled_impressions_total")
    assert sampled is not None
    assert SAMPLED / 2 < sampled <= SAMPLED
    for feature in bundle_.card.spreads:
        bins = [
            registry.get_sample_value("ctr_feature_bin_total", {"feature": feature, "bin": str(number)})
            for number in range(len(bundle_.card.spreads[feature].shares))
        ]
        assert sum(one or 0 for one in bins) == sampled


def test_unseen_values_are_counted_by_table(bundle_: Bundle) -> None:
    """A value that was never trained on counts in its table, and in the tables over it and another."""
    known = fakes.click_log(1200)[0]
    registry = watched(bundle_, [known, msgspec.structs.replace(known, C14=77)])
    for table, fields in TABLES.items():
        assert registry.get_sample_value("ctr_unseen_values_total", {"table": table}) == int("C14" in fields)


def test_counts_and_the_last_score_are_told(bundle_: Bundle) -> None:
    """Count features by their size; the last probability; the bundle's version and the end of its training."""
    registry = watched(bundle_, [fakes.impression()])
    text = generate_latest(registry).decode()
    assert registry.get_sample_value("ctr_count_bucket", {"count": "user_count_24h", "le": "50.0"}) == 1
    assert registry.get_sample_value("ctr_count_bucket", {"count": "user_count_24h", "le": "20.0"}) == 0
    assert f'ctr_model_info{{version="{bundle_.version}"}} 1.0' in text
    last = registry.get_sample_value("predicted_proba")
    assert last == bundle_.predict([bundle_.build(fakes.impression(), (0, 1, 0, 0, 5, 50))])[0]
    ended = registry.get_sample_value("ctr_model_trained_through_timestamp_seconds")
    assert ended == 1413936000  # 2014-10-22 00:00 UTC, the end of its last hour


def test_nothing_is_told_of_an_empty_call(bundle_: Bundle) -> None:
    """A batch of dead letters only."""
    assert watched(bundle_, []).get_sample_value("predicted_proba_hist_count") == 0
