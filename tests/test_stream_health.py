"""Who watches a worker asks it over HTTP."""

import json
import socket

import httpx
import pytest

from stream import health, metrics
from stream.status import Status


def ask(port: int, path: str) -> tuple[int, str]:
    """Status code and body."""
    answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10)
    return answer.status_code, answer.text


def test_readiness_says_what_is_waited_for() -> None:
    """A worker that waits is not ready, says for what and why, and is ready again afterwards; it is live all along."""
    status, made = Status(), metrics.make()
    port = health.serve("127.0.0.1", 0, status, made)
    assert ask(port, "/health/ready") == (200, '{"ready": true, "waiting_for": {}}\n')
    status.wait("lane", "Redis", "ConnectionError: refused")
    code, body = ask(port, "/health/ready")
    assert code == 503
    assert json.loads(body) == {"ready": False, "waiting_for": {"Redis": "ConnectionError: refused"}}
    assert ask(port, "/health/live")[0] == 200
    text = ask(port, "/metrics")[1]
    assert 'ctr_waiting{what="Redis"} 1.0' in text
    assert 'ctr_waiting{what="Kafka"} 0.0' in text
    assert "ctr_ready 0.0" in text
    status.go_on("lane")
    assert ask(port, "/health/ready")[0] == 200
    assert ask(port, "/elsewhere")[0] == 404


def test_a_port_that_is_taken_is_named() -> None:
    """The error says which setting to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match=rf"METRICS_PORT: 127\.0\.0\.1:{taken.getsockname()[1]} can not be"):
            health.serve("127.0.0.1", taken.getsockname()[1], Status(), metrics.make())
