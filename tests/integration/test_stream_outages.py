"""Servers that are away, full, failing over or refusing: the worker waits, says for what, and goes on by itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from system import PATIENCE, System, create_on_two, deploy, eventually, lead_by_first_replica, worker
from test_stream_faults import count_errors

from local import kafka, valkey
from local.server import Server
from local.stack import External, Stack
from replay.log import Message
from store import keyspace
from stream import watchdog

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _own_redis(system: System) -> None:
    if isinstance(system.stack.redis, External):
        pytest.skip("an external Redis is not ours to fill or to stop")


@contextmanager
def commands(url: str) -> Iterator[redis.Redis]:
    """A connection for commands of an operator."""
    with redis.Redis.from_url(url) as client:
        yield client


def run_of(system: System, url: str) -> bytes | None:
    """The run that the store knows."""
    with commands(url) as client, suppress(redis.BusyLoadingError):
        found: bytes | None = client.get(keyspace.run(system.deployment.name))  # type: ignore[assignment]
        return found
    return None


def test_a_full_redis_is_waited_for(system: System, rows: list[Message]) -> None:
    """With no memory left for counts nothing is scored; when there is room again all is scored, counts exact."""
    with worker(system) as one, commands(system.stack.redis_url) as operator:
        system.produce(rows[:2_000])
        system.scores(2_000)
        operator.config_set("maxmemory", "1mb")
        try:
            system.produce(rows[2_000:6_000])
            eventually(lambda: "Redis" in one.ready()[1])
            assert "OutOfMemoryError" in one.ready()[1]["Redis"]
            assert one.metric("ctr_ready") == 0
            assert len(system.everything(system.scores_topic)) < 6_000
        finally:
            operator.config_set("maxmemory", "0")
        report = system.verify(system.scores(6_000))
        eventually(lambda: one.ready() == (True, {}))
        assert one.said().count("waiting for Redis") == 1
        assert one.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (6_000, 0)
    assert count_errors(system) == 0


def test_a_failover_that_lost_writes_is_healed(system: System, rows: list[Message], tmp_path: Path) -> None:
    """A Redis that becomes replica of an older copy, and primary again, has lost counts under the same run id."""
    other = valkey.start(tmp_path)
    try:
        with (
            worker(system) as one,
            commands(system.stack.redis_url) as primary,
            commands(other.address) as replica,
        ):
            system.produce(rows[:4_000])
            system.scores(4_000)
            host, port = system.stack.redis_url.removeprefix("redis://").split("/")[0].split(":")
            replica.replicaof(host, port)
            eventually(lambda: run_of(system, other.address) == run_of(system, system.stack.redis_url))
            replica.replicaof("no", "one")
            system.produce(rows[4_000:8_000])
            system.scores(8_000)
            before = run_of(system, system.stack.redis_url)
            primary.replicaof(*other.address.removeprefix("redis://").split("/")[0].split(":"))
            system.produce(rows[8_000:10_000])
            eventually(lambda: "Redis" in one.ready()[1])  # READONLY: it is a replica now
            eventually(lambda: primary.info("replication")["master_link_status"] == "up")
            primary.replicaof("no", "one")
            report = system.verify(system.distinct_scores(10_000))
            assert run_of(system, system.stack.redis_url) != before
            assert one.metric("ctr_counted_again_impressions_total") > 0
            assert one.end() == 0
    finally:
        other.kill()
    assert report.ok, report
    assert (report.scores, report.duplicates) == (10_000, 0)
    assert count_errors(system) == 0


def test_degraded_mode_scores_on_and_counts_later(system: System, rows: list[Message]) -> None:
    """Where the operator chose so, impressions are scored with empty counts and flagged; later none is uncounted."""
    with worker(system, DEGRADED_AFTER_SECONDS="1") as one:
        one.wait_until_assigned()
        eventually(lambda: one.ready() == (True, {}))
        system.produce(rows[:2_000])
        assert len(system.scores(2_000)) == 2_000
        system.stack.redis.kill()
        try:
            system.produce(rows[2_000:5_000])
            scores = [json.loads(score.value or b"") for score in system.scores(5_000)]
            assert len(scores) == 5_000
            assert sum(score.get("degraded", False) for score in scores) == 3_000
            assert one.ready()[0] is False
        finally:
            system.stack.redis.start()
        eventually(lambda: one.ready() == (True, {}))
        system.produce(rows[5_000:8_000])
        report = system.verify(system.scores(8_000))
        assert one.metric("ctr_degraded_scores_total") == 3_000
        assert one.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates, report.degraded) == (8_000, 0, 3_000)
    assert report.parity_compared > 4_000
    assert count_errors(system) == 0


def test_nothing_is_guessed_unless_chosen(system: System, rows: list[Message]) -> None:
    """Without the setting a worker whose Redis is away scores nothing, for as long as it takes."""
    with worker(system) as one:
        system.produce(rows[:1_000])
        system.scores(1_000)
        system.stack.redis.kill()
        try:
            system.produce(rows[1_000:2_000])
            eventually(lambda: "Redis" in one.ready()[1])
            one.wait_until_said("waiting for Redis")
            assert len(system.everything(system.scores_topic)) == 1_000
        finally:
            system.stack.redis.start()
        assert len(system.scores(2_000)) == 2_000
        assert one.end() == 0


@pytest.mark.kafka_only("Tansu forgets everything when it restarts")
def test_a_worker_that_starts_first_waits_for_the_broker(system: System, rows: list[Message]) -> None:
    """A worker that is started while no broker answers says so, and begins when one does."""
    system.produce(rows[:1_000])
    system.stack.broker.kill()
    try:
        with worker(system) as one:
            eventually(lambda: "Kafka" in one.ready()[1])
            system.stack.broker.start()
            assert len(system.scores(1_000)) == 1_000
            eventually(lambda: one.ready() == (True, {}))
            assert one.end() == 0
        with worker(system) as two:
            two.wait_until_assigned()
            system.stack.broker.kill()
            assert two.end() in (0, watchdog.EXIT_CODE), "it must not need a broker to end"
    finally:
        system.stack.broker.start()


@pytest.mark.kafka_only("Tansu neither refuses nor limits")
def test_an_unknown_scores_topic_ends_the_worker(system: System, rows: list[Message]) -> None:
    """No score can be sent: nothing is acked, the error names the topic, and after bounded tries the worker ends."""
    system.produce(rows[:500])
    with worker(system, SCORES_TOPIC="nowhere", KAFKA_TIMEOUT_SECONDS="2") as one:
        assert one.process.wait(PATIENCE) != 0
        assert "refuses topic nowhere: UnknownTopicOrPartitionError" in one.said()
    with worker(system) as two:
        assert len(system.scores(500)) == 500
        assert two.end() == 0


@pytest.mark.kafka_only("Tansu neither refuses nor limits")
def test_a_scores_topic_that_is_not_ours_to_write_ends_the_worker(system: System, rows: list[Message]) -> None:
    """A topic that denies writes: nothing is acked, the error names topic and cause; once allowed, all is scored."""
    admin = AdminClient({"bootstrap.servers": system.stack.bootstrap_servers})
    rule = AclBinding(
        ResourceType.TOPIC,
        system.scores_topic,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        AclOperation.WRITE,
        AclPermissionType.DENY,
    )
    for made in admin.create_acls([rule]).values():
        made.result()
    system.produce(rows[:500])
    with worker(system) as one:
        assert one.process.wait(PATIENCE) != 0
        assert f"refuses topic {system.scores_topic}: TopicAuthorizationFailedError" in one.said()
    for removed in admin.delete_acls([_filter_of(rule)]).values():
        removed.result()
    with worker(system) as two:
        report = system.verify(system.scores(500))
        assert two.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (500, 0)


def _filter_of(rule: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        rule.principal,
        rule.host,
        rule.operation,
        rule.permission_type,
    )


def limit_messages(system: System, limit: int) -> None:
    """Set the scores topic's max.message.bytes."""
    admin = AdminClient({"bootstrap.servers": system.stack.bootstrap_servers})
    entry = ConfigEntry("max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET)
    config = ConfigResource(ConfigResource.Type.TOPIC, system.scores_topic, incremental_configs=[entry])
    for changed in admin.incremental_alter_configs([config]).values():
        changed.result()


@pytest.mark.kafka_only("Tansu neither refuses nor limits")
def test_a_topic_of_small_messages_gets_smaller_batches(system: System, rows: list[Message]) -> None:
    """Where a batch is too large for the topic it is sent in parts, in order; where one score is, the worker ends."""
    limit_messages(system, 5_000)
    system.produce(rows[:2_000])
    with worker(system) as one:
        scores = system.scores(2_000)
        report = system.verify(scores)
        assert one.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (2_000, 0)
    for partition in {score.partition for score in scores}:
        offsets = [json.loads(score.value or b"")["offset"] for score in scores if score.partition == partition]
        assert offsets == sorted(offsets)
    limit_messages(system, 100)
    system.produce(rows[2_000:2_500])
    with worker(system) as two:
        assert two.process.wait(PATIENCE) != 0
        assert f"refuses topic {system.scores_topic}: MessageSizeTooLargeError" in two.said()


@pytest.fixture
def second_broker(system: System, tmp_path: Path) -> Iterator[Server]:
    """One more broker in the cluster; the group's coordinator is on the first one already."""
    if not isinstance(system.stack.broker, Server):
        pytest.skip("an external broker is not ours to add one to")
    with worker(system) as one:
        one.wait_until_assigned()
        assert one.end() == 0
    second = kafka.join(tmp_path, system.stack.broker)
    try:
        yield second
    finally:
        second.kill()
        admin = AdminClient({"bootstrap.servers": system.stack.bootstrap_servers})
        # Until the controller knows that it is gone it would give it partitions of later tests' topics.
        eventually(lambda: len(admin.list_topics(timeout=10).brokers) == 1)


@pytest.mark.kafka_only("Tansu is one broker")
def test_a_leader_that_moves_is_followed(
    stack: Stack, served_bundle: Path, tmp_path: Path, rows: list[Message], second_broker: Server
) -> None:
    """Partitions led by a broker that dies go on at the other one, and come back to it, with nothing lost or double."""
    moved = deploy(stack, served_bundle, tmp_path, create_on_two)
    with worker(moved) as one:
        one.wait_until_assigned()
        moved.produce(rows[:2_000])
        moved.distinct_scores(2_000)
        second_broker.kill()
        moved.produce(rows[2_000:4_000])
        moved.distinct_scores(4_000)
        second_broker.start()
        lead_by_first_replica(stack.bootstrap_servers, list(moved.deployment.topics))
        moved.produce(rows[4_000:6_000])
        report = moved.verify(moved.distinct_scores(6_000))
        assert one.end() == 0
    assert report.ok, report
    assert report.scores == 6_000
    assert count_errors(moved) == 0
