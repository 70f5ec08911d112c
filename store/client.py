"""The connection to Redis."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, NamedTuple

import redis.asyncio
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from store.settings import StoreSettings

Client = redis.asyncio.Redis
RunScript = Callable[[list[str], list[object]], Awaitable[list[Any]]]

_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, ConnectionError, TimeoutError)
# A server that is there and can not take writes now: it fails over, or its memory is full.
_UNABLE = (exceptions.ReadOnlyError, exceptions.OutOfMemoryError, exceptions.ClusterError, exceptions.TryAgainError)
# The same for answers that redis-py has no class for, by their first word: its disk is full, a script holds it, too
# few replicas follow it.
_UNABLE_WORDS = ("MISCONF", "BUSY", "NOREPLICAS")


def passes_by_itself(error: BaseException) -> bool:
    """Whether the call may succeed unchanged when Redis is well again; everything else is a fault of ours.

    What Redis answers instead of an error of ours leaves nothing of the call done: a script is denied its first write.
    """
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False  # ConnectionErrors to redis-py, but a wrong password stays wrong
    answered = isinstance(error, exceptions.ResponseError) and str(error).startswith(_UNABLE_WORDS)
    return answered or isinstance(error, (*_AWAY, *_UNABLE))


def connect(settings: StoreSettings) -> Client:
    """A client; nothing is sent before its first command.

    The client's own retries are off: the callers retry, with backoff and in one place.
    """
    client: Client = redis.asyncio.Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )
    return client


class Memory(NamedTuple):
    """How full Redis is, in bytes."""

    used: int
    limit: int  # maxmemory; 0 for none


async def memory(client: Client) -> Memory:
    """How full Redis is.

    Raises:
        redis.exceptions.RedisError: see `passes_by_itself`.
    """
    found = await client.info("memory")
    return Memory(found["used_memory"], found["maxmemory"])


def script(client: Client, name: str) -> RunScript:
    """The Lua script `name` of this package as a function of its KEYS and ARGV; loads it into Redis when missing."""
    source = files("store").joinpath(name).read_text(encoding="utf-8")
    digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()  # the name Redis gives a script

    command: Callable[..., Awaitable[Any]] = client.execute_command

    async def run(keys: list[str], arguments: list[object]) -> list[Any]:
        try:
            answer = await command("EVALSHA", digest, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            answer = await command("EVAL", source, len(keys), *keys, *arguments)
        return list(answer)

    return run
