"""Settings of the worker."""

from pathlib import Path

from pydantic import Field

from broker.settings import BrokerSettings


class StreamSettings(BrokerSettings):
    """Settings of the worker, from environment variables of the same names."""

    impressions_topic: str = Field("impressions", description="Topic read")
    scores_topic: str = Field("scores", description="Topic of the scores")
    dead_letters_topic: str = Field("impressions-dead-letters", description="Topic of rejected messages")
    consumer_group: str = Field("ctr-stream", description="Consumer group; workers of one group share the partitions")
    session_timeout_seconds: float = Field(10.0, ge=1, description="A worker silent this long loses its partitions")
    commit_interval_seconds: float = Field(0.5, gt=0, description="How often offsets are committed")
    fetch_max_bytes: int = Field(
        1_048_576, ge=65_536, description="Bytes of one partition in one fetch; under load, the size of a batch"
    )
    gather_seconds: float = Field(
        0.015,
        ge=0.001,
        description="How long the broker gathers impressions before it answers a fetch with few of them",
    )
    kafka_timeout_seconds: float = Field(
        30.0, ge=1, description="Longest wait for one answer of Kafka; an unknown topic is waited for as long"
    )
    retry_max_seconds: float = Field(
        5.0, gt=0, description="Longest pause between two tries when Redis or Kafka is away"
    )
    watchdog_seconds: float = Field(
        120.0, gt=0, description="A worker with lag that gets nothing done for this long ends with code 70"
    )
    degraded_after_seconds: float | None = Field(
        None, gt=0, description="Degraded mode: score with empty counts when Redis is away this long; off if not set"
    )
    metrics_host: str = Field("127.0.0.1", description="Where /metrics and /health/... are listened for")
    metrics_port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one and says which in the log")
    bundle: Path = Field(Path("bundles/current"), description="Folder of the bundle to serve")
