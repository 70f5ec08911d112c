"""What a worker tells Prometheus."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one worker, on a registry of their own."""

    registry: CollectorRegistry
    impressions: Counter
    scores: Counter
    degraded_scores: Counter
    dead_letters: Counter
    batch_impressions: Histogram
    counted_again: Counter
    gone: Counter
    lag: Gauge
    committed_age: Gauge
    fence_lag: Gauge
    waiting: Gauge
    ready: Gauge


def make() -> Metrics:
    """New metrics."""
    registry = CollectorRegistry()

    def counter(name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=registry)

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=registry)

    return Metrics(
        registry,
        counter("ctr_impressions", "Messages of the impressions topic that became a score or a dead letter"),
        counter("ctr_scores", "Scores sent"),
        counter("ctr_degraded_scores", "Scores sent that were made with empty counts (DEGRADED_AFTER_SECONDS)"),
        counter("ctr_dead_letters", "Dead letters sent", "reason"),
        Histogram("ctr_batch_impressions", "Messages scored in one go", buckets=SIZES, registry=registry),
        counter("ctr_counted_again_impressions", "Impressions counted again from the topic, because Redis lost them"),
        counter("ctr_gone_impressions", "Offsets that left the topic before they were counted or scored", "what"),
        gauge("ctr_lag_impressions", "Messages of an assigned partition that are not committed", "partition"),
        gauge(
            "ctr_committed_age_seconds", "How long a partition with lag has had the same committed offset", "partition"
        ),
        gauge("ctr_fence_lag_impressions", "Offsets counted in Redis beyond the committed one", "partition"),
        gauge("ctr_waiting", "1 for what the worker waits for: Redis, Kafka, group, counts", "what"),
        gauge("ctr_ready", "1 while the worker waits for nothing"),
    )
