"""What a worker tells Prometheus."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)

STAGE_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
LATENCY_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one worker, on a registry of their own."""

    registry: CollectorRegistry
    impressions: Counter
    scores: Counter
    degraded_scores: Counter
    dead_letters: Counter
    batch_impressions: Histogram
    stages: Histogram
    latency: Histogram
    redis_used: Gauge
    redis_limit: Gauge
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
        Histogram("ctr_batch_impressions", "Impressions scored in one go", buckets=SIZES, registry=registry),
        Histogram("ctr_stage_seconds", "Time spent on one go", ["stage"], buckets=STAGE_SECONDS, registry=registry),
        Histogram(
            "ctr_latency_seconds",
            "From an impression's timestamp to its score confirmed by the broker",
            buckets=LATENCY_SECONDS,
            registry=registry,
        ),
        gauge("ctr_redis_used_bytes", "Memory that Redis uses"),
        gauge("ctr_redis_limit_bytes", "Memory that Redis may use (maxmemory); 0 for no limit"),
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
