"""The stack with parts that run elsewhere, and without what it needs."""

from pathlib import Path

import pytest

from local import stack
from local.errors import MissingError, StackError


def test_external_parts_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    """Given addresses are passed through, named external, and no server leaves a file."""
    external = {"kafka_bootstrap_servers": "k1:9092,k2:9092", "redis_url": "rediss://:secret@r:6379/3"}
    with stack.running(folder=tmp_path, **external) as running:
        assert running.bootstrap_servers == "k1:9092,k2:9092"
        assert running.redis_url == "rediss://:secret@r:6379/3"
        assert running.broker.name == running.redis.version == "external"
    assert [file.name for file in tmp_path.iterdir()] == ["owner"]


@pytest.mark.parametrize("call", ["start", "stop", "kill", "pause", "resume"])
def test_external_parts_are_left_alone(call: str) -> None:
    """What the stack did not start, it neither ends nor freezes."""
    with pytest.raises(StackError, match="k:9092 is external"):
        getattr(stack.External("k:9092"), call)()


def test_a_named_broker_that_cannot_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka by name without Java raises; there is no quiet fallback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(MissingError, match="Java"), stack.running("kafka", redis_url="redis://r:6379/0"):
        pass
