"""Counts are emptied and made again, from the topic or from logs, and go on from there."""

import json
from pathlib import Path

import pytest
import redis
from system import System, worker
from test_stream_faults import count_errors
from typer.testing import CliRunner

from cli.app import make_app
from replay import consume
from replay.log import Message
from store import keyspace

pytestmark = [pytest.mark.integration, pytest.mark.kafka_only("Tansu does not say which members a group has")]


def rebuild(system: System, *arguments: str) -> tuple[int, str]:
    """Run the command on the system's deployment; exit code and what it printed."""
    deployment = system.deployment
    ran = CliRunner().invoke(
        make_app(),
        ["rebuild", "--json", *arguments],
        env={
            "KAFKA_BOOTSTRAP_SERVERS": deployment.bootstrap_servers,
            "IMPRESSIONS_TOPIC": deployment.impressions_topic,
            "CONSUMER_GROUP": deployment.name,
            "REDIS_URL": deployment.redis_url,
            "STORE_NAMESPACE": deployment.name,
        },
    )
    return ran.exit_code, str(ran.exception) if isinstance(ran.exception, ValueError) else ran.stdout


def spoil(system: System) -> None:
    """Wrong counts, as a fault of somebody's hand would leave them."""
    with redis.Redis.from_url(system.stack.redis_url) as client:
        days = client.keys(keyspace.any_day(system.deployment.name))
        assert isinstance(days, list)
        client.hset(days[0], "i nobody", "\x01\x00\x00\x00\x05")


@pytest.mark.parametrize("source", ["topic", "saved topic"])
def test_wrong_counts_are_made_right(system: System, rows: list[Message], tmp_path: Path, source: str) -> None:
    """After a rebuild the counts are those of the topic, and workers go on from them: every later score is right."""
    with worker(system) as one:
        system.produce(rows[:4_000])
        system.scores(4_000)
        assert one.end() == 0
    spoil(system)
    assert count_errors(system) == 1
    saved = tmp_path / "impressions.parquet"
    consume.save(saved, system.everything(system.impressions_topic))
    code, printed = rebuild(system, *(["--log", str(saved)] if source == "saved topic" else []))
    assert code == 0, printed
    assert json.loads(printed) | {"removed_keys": 0, "entities": 0} == {
        "removed_keys": 0,
        "impressions": 4_000,
        "rejected": 0,
        "entities": 0,
        "count_errors": 0,
    }
    assert count_errors(system) == 0
    with worker(system) as two:
        system.produce(rows[4_000:6_000])
        report = system.verify(system.scores(6_000))
        assert two.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (6_000, 0)
    assert count_errors(system) == 0


def test_it_refuses_while_workers_run(system: System, rows: list[Message]) -> None:
    """Two who count at the same time would both be wrong: the error says what to do, and nothing is emptied."""
    with worker(system) as one:
        system.produce(rows[:1_000])
        system.scores(1_000)
        code, printed = rebuild(system)
        assert one.end() == 0
    assert code != 0
    assert f"group {system.deployment.name} has 1 members: stop the workers" in printed
    assert count_errors(system) == 0
