"""Waiting for Redis and Kafka."""

import logging
from collections.abc import Iterable, Iterator

import pytest
from aiokafka import errors as kafka
from redis import exceptions as redis

from stream.retry import passes_by_itself, retrying

PASSING = [
    redis.ConnectionError("refused"),
    redis.TimeoutError("slow"),
    redis.BusyLoadingError("loading"),
    ConnectionResetError("reset"),
    TimeoutError("no confirmation"),
    kafka.KafkaConnectionError("gone"),
    kafka.RequestTimedOutError(),
    kafka.NotLeaderForPartitionError(),
    kafka.KafkaTimeoutError(),
]
LASTING = [
    ValueError("ours"),
    KeyError("ours"),
    RuntimeError("ours"),
    redis.ResponseError("WRONGTYPE"),
    redis.DataError("ours"),
    kafka.MessageSizeTooLargeError("too large"),
    kafka.TopicAuthorizationFailedError("impressions"),
]


class Server:
    """Raises these errors one call after the other, then answers with its arguments."""

    def __init__(self, errors: Iterable[Exception]) -> None:
        self._errors: Iterator[Exception] = iter(errors)
        self.calls = 0

    async def call(self, *arguments: object) -> object:
        """One call."""
        self.calls += 1
        for error in self._errors:
            raise error
        return arguments


def go_on() -> bool:
    """The worker is not ending."""
    return False


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    """Errors of a server that is away are waited out, and the answer then is that of the call."""
    server = Server([error] * 3)
    assert passes_by_itself(error)
    assert await retrying("Redis", 0.001, go_on)(server.call, 1, "two") == (1, "two")
    assert server.calls == 4


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
async def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    """A fault of ours is raised as it is, after one call."""
    server = Server([error] * 3)
    assert not passes_by_itself(error)
    with pytest.raises(type(error)) as caught:
        await retrying("Redis", 0.001, go_on)(server.call)
    assert caught.value is error
    assert server.calls == 1


async def test_a_lasting_error_after_passing_ones_ends_it() -> None:
    """The first error that does not pass is raised, whatever came before."""
    server = Server([redis.ConnectionError(), redis.ConnectionError(), ValueError("ours"), redis.ConnectionError()])
    with pytest.raises(ValueError, match="ours"):
        await retrying("Redis", 0.001, go_on)(server.call)
    assert server.calls == 3


async def test_a_stopping_worker_gives_up_with_the_last_error() -> None:
    """Once the worker is ending there is no further try."""
    server = Server([redis.ConnectionError(str(number)) for number in range(10)])
    with pytest.raises(redis.ConnectionError, match="2"):
        await retrying("Redis", 0.001, lambda: server.calls == 3)(server.call)
    assert server.calls == 3


async def test_it_is_said_once_that_we_wait_and_once_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """However many tries there are, the log has one line at the beginning and one at the end."""
    caplog.set_level(logging.DEBUG, "stream.retry")
    await retrying("Redis", 0.001, go_on)(Server([redis.ConnectionError("refused")] * 20).call)
    waiting, back = [record.getMessage() for record in caplog.records]
    assert waiting.startswith("waiting for Redis: ")
    assert "ConnectionError" in waiting
    assert "refused" in waiting, "the log must say what is wrong"
    assert back == "Redis is back after 21 tries"
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_a_call_that_succeeds_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """The first try succeeded: nothing is logged."""
    caplog.set_level(logging.DEBUG, "stream.retry")
    assert await retrying("Kafka", 0.001, go_on)(Server([]).call) == ()
    assert caplog.records == []


async def test_the_function_can_be_used_again() -> None:
    """Each call counts its own tries."""
    retry = retrying("Kafka", 0.001, go_on)
    for _ in range(2):
        server = Server([kafka.KafkaConnectionError("gone")])
        await retry(server.call)
        assert server.calls == 2
