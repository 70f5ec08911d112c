"""The connection to Redis."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import redis.asyncio
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from store import keyspace
from store.settings import StoreSettings

Client = redis.asyncio.Redis
Call = tuple[list[str], list[object]]  # KEYS and ARGV of a script
RunScript = Callable[[Call], Awaitable[list[Any]]]
RunScripts = Callable[[Sequence[Call]], Awaitable[list[list[Any] | Exception]]]

_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, ConnectionError, TimeoutError)
# A server that is there and can not take writes now: it fails over, or its memory is full.
_UNABLE = (exceptions.ReadOnlyError, exceptions.OutOfMemoryError, exceptions.ClusterError, exceptions.TryAgainError)
# The same for answers that redis-py has no class for, by their first word: its disk is full, a script holds it, too
# few replicas follow it.
_UNABLE_WORDS = ("MISCONF", "BUSY", "NOREPLICAS")


class RefusedError(ValueError):
    """Redis does not take our settings: says which, and what Redis said."""


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
    tls: dict[str, Any] = {}
    if settings.redis_url.startswith("rediss://"):
        tls = {"ssl_check_hostname": True, "ssl_ca_certs": settings.redis_ca_file and str(settings.redis_ca_file)}
    client: Client = redis.asyncio.Redis.from_url(
        settings.redis_url,
        username=settings.redis_username or None,
        password=settings.redis_password.get_secret_value() or None,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        **tls,
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


async def check(settings: StoreSettings) -> None:
    """Ask Redis once, so that a wrong setting is named instead of tried for ever; one that is away is no refusal.

    Raises:
        RefusedError: Redis does not take the settings.
    """
    client = connect(settings)
    try:
        await client.get(keyspace.run(settings.store_namespace))
    except (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError) as error:
        raise RefusedError(
            f"REDIS_USERNAME, REDIS_PASSWORD: {settings.redis_url} does not take them: {error}"
        ) from None
    except Exception as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            vouching = settings.redis_ca_file or "the system"
            raise RefusedError(
                f"REDIS_CA_FILE: {vouching} does not vouch for the certificate of {settings.redis_url}: {error}"
            ) from None
        if not passes_by_itself(error):
            raise
    finally:
        await client.aclose()


def script(client: Client, name: str) -> RunScript:
    """The Lua script `name` of this package as a function of its KEYS and ARGV; loads it into Redis when missing."""
    run_all = scripts(client, name)

    async def run(call: Call) -> list[Any]:
        (answer,) = await run_all([call])
        if isinstance(answer, Exception):
            raise answer
        return answer

    return run


def scripts(client: Client, name: str) -> RunScripts:
    """As `script`, for several calls in one round trip: an answer or an error each, whatever became of the others.

    Raises (when awaited):
        redis.exceptions.RedisError: the connection failed; some of the calls may be done.
    """
    source = files("store").joinpath(name).read_text(encoding="utf-8")
    digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()  # the name Redis gives a script

    async def run_all(calls: Sequence[Call]) -> list[list[Any] | Exception]:
        answers = await _evaluate(client, "EVALSHA", digest, calls)
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, exceptions.NoScriptError)]
        if unknown:
            again = await _evaluate(client, "EVAL", source, [calls[at] for at in unknown])
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        return answers

    return run_all


async def _evaluate(client: Client, command: str, what: str, calls: Sequence[Call]) -> list[list[Any] | Exception]:
    pipeline = client.pipeline(transaction=False)
    for keys, arguments in calls:
        pipeline.execute_command(command, what, len(keys), *keys, *arguments)
    answers: list[list[Any] | Exception] = await pipeline.execute(raise_on_error=False)
    return answers
