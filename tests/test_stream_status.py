"""What is waited for is said once, and known for as long as it lasts."""

import logging

import pytest

from stream.status import QUIET_SECONDS, Status


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log's lines."""
    return [record.getMessage() for record in caplog.records]


def test_many_who_wait_for_the_same_say_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first to wait and the last to go on are worth a line; between them it is waited for."""
    caplog.set_level(logging.INFO, "stream.status")
    now = [100.0]
    status = Status(lambda: now[0])
    for lane in range(5):
        status.wait(lane, "Redis", "ConnectionError: refused")
    now[0] += 2.5
    for lane in range(5):
        assert status.waits() == {"Redis": "ConnectionError: refused"}
        status.go_on(lane)
    assert status.waits() == {}
    assert said(caplog) == ["waiting for Redis: ConnectionError: refused", "waited 2.5 s for Redis"]


def test_a_server_that_comes_and_goes_is_not_said_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """Within QUIET_SECONDS there is one pair of lines, however often it goes."""
    caplog.set_level(logging.INFO, "stream.status")
    now = [100.0]
    status = Status(lambda: now[0])
    for _ in range(100):
        now[0] += QUIET_SECONDS / 200
        status.wait("lane", "Redis", "OutOfMemoryError")
        assert status.waits() == {"Redis": "OutOfMemoryError"}
        now[0] += QUIET_SECONDS / 200
        status.go_on("lane")
    assert len(said(caplog)) <= 4


def test_different_things_are_waited_for_apart() -> None:
    """Each is there with its own reason, until it is over."""
    status = Status()
    status.wait("lane", "Redis", "refused")
    status.wait("keeper", "Kafka", "no answer")
    status.wait("lane", "Redis", "timed out")
    assert status.waits() == {"Redis": "timed out", "Kafka": "no answer"}
    status.go_on("lane")
    status.go_on("lane")
    assert status.waits() == {"Kafka": "no answer"}
