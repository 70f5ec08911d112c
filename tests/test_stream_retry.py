"""Waiting for Redis and Kafka."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

import pytest
from aiokafka import errors as kafka
from redis import exceptions as redis

from stream import retry
from stream.retry import RefusedError, Retried, passes_by_itself, retrying
from stream.status import Status

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
    redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    redis.ReadOnlyError("You can't write against a read only replica."),
    redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
]
LASTING = [
    ValueError("ours"),
    KeyError("ours"),
    RuntimeError("ours"),
    redis.ResponseError("WRONGTYPE"),
    redis.DataError("ours"),
    redis.AuthenticationError("wrong password"),
    kafka.UnsupportedVersionError(),
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


def waiting(what: str, should_stop: Callable[[], bool] = go_on, longest_wait: float | None = None) -> Retried:
    """A function that retries without long pauses."""
    return retrying(what, 0.001, should_stop, Status(), longest_wait=longest_wait)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    """Errors of a server that is away are waited out, and the answer then is that of the call."""
    server = Server([error] * 3)
    assert passes_by_itself(error)
    assert await waiting("Redis")(server.call, 1, "two") == (1, "two")
    assert server.calls == 4


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
async def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    """A fault of ours is raised as it is, after one call."""
    server = Server([error] * 3)
    assert not passes_by_itself(error)
    with pytest.raises(type(error)) as caught:
        await waiting("Redis")(server.call)
    assert caught.value is error
    assert server.calls == 1


async def test_a_lasting_error_after_passing_ones_ends_it() -> None:
    """The first error that does not pass is raised, whatever came before."""
    server = Server([redis.ConnectionError(), redis.ConnectionError(), ValueError("ours"), redis.ConnectionError()])
    with pytest.raises(ValueError, match="ours"):
        await waiting("Redis")(server.call)
    assert server.calls == 3


async def test_a_stopping_worker_gives_up_with_the_last_error() -> None:
    """Once the worker is ending there is no further try."""
    server = Server([redis.ConnectionError(str(number)) for number in range(10)])
    with pytest.raises(redis.ConnectionError, match="2"):
        await waiting("Redis", lambda: server.calls == 3)(server.call)
    assert server.calls == 3


async def test_it_is_said_once_that_we_wait_and_once_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """However many tries there are, the log has one line at the beginning and one at the end."""
    caplog.set_level(logging.DEBUG, "stream")
    await waiting("Redis")(Server([redis.ConnectionError("refused")] * 20).call)
    begun, ended = [record.getMessage() for record in caplog.records]
    assert begun == "waiting for Redis: ConnectionError: refused"
    assert ended.endswith(" s for Redis")
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_a_call_that_succeeds_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """The first try succeeded: nothing is logged."""
    caplog.set_level(logging.DEBUG, "stream")
    assert await waiting("Kafka")(Server([]).call) == ()
    assert caplog.records == []


async def test_the_function_can_be_used_again() -> None:
    """Each call counts its own tries."""
    retry = waiting("Kafka")
    for _ in range(2):
        server = Server([kafka.KafkaConnectionError("gone")])
        await retry(server.call)
        assert server.calls == 2


async def test_a_topic_that_refuses_is_an_error_that_names_it() -> None:
    """What no waiting will change ends at once, and says which topic and what to look at."""
    server = Server([kafka.TopicAuthorizationFailedError("no")] * 3)
    with pytest.raises(RefusedError, match=r"refuses topic scores: TopicAuthorizationFailedError.*max\.message\.bytes"):
        await waiting("Kafka")(server.call, "scores", 3)
    assert server.calls == 1


async def test_an_unknown_topic_is_waited_for_only_so_long() -> None:
    """A topic may be in the making; one that does not come is a refusal."""
    server = Server([kafka.UnknownTopicOrPartitionError()] * 3)
    assert await waiting("Kafka")(server.call, "scores") == ("scores",)
    server = Server(kafka.UnknownTopicOrPartitionError() for _ in range(100_000))
    with pytest.raises(RefusedError, match="UnknownTopicOrPartitionError"):
        await retrying("Kafka", 0.001, go_on, Status(), refused_after=0.01)(server.call, "scores")
    assert server.calls > 1


async def test_a_longest_wait_ends_it_with_the_last_error() -> None:
    """Who has something else to do waits only so long."""
    server = Server(redis.ConnectionError("away") for _ in range(100_000))
    with pytest.raises(redis.ConnectionError, match="away"):
        await waiting("Redis", longest_wait=0.01)(server.call)
    assert server.calls > 1


async def test_a_call_without_an_answer_is_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the request and stays silent is waited for as one that is away."""
    monkeypatch.setattr(retry, "SLOW_AFTER", 0.0)
    status, seen = Status(), []

    async def slow() -> None:
        while not status.waits():
            await asyncio.sleep(0.001)
        seen.append(status.waits())

    async with asyncio.timeout(10):
        await retrying("Kafka", 0.001, go_on, status)(slow)
    assert seen == [{"Kafka": "no answer for 0 s"}]
    assert status.waits() == {}
