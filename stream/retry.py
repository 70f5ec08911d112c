"""What to do while Redis or Kafka is away: wait, with backoff."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiokafka import errors
from aiokafka.errors import KafkaError, KafkaTimeoutError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from store import client
from stream.status import Status

# To aiokafka the first one is temporary, which is right while a topic is being made.
_REFUSALS = (
    errors.UnknownTopicOrPartitionError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.InvalidTopicError,
    errors.MessageSizeTooLargeError,
)


SLOW_AFTER = 2.0  # seconds without an answer after which the server is waited for


class RefusedError(RuntimeError):
    """A topic does not take or give what it is asked for, and will not before somebody changes it."""


def passes_by_itself(error: BaseException) -> bool:
    """Whether the call may succeed unchanged when the server is back."""
    if isinstance(error, KafkaError):
        # The broker's silence is not retriable in aiokafka's eyes, since a producer's retries are used up by then.
        return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
    return client.passes_by_itself(error)


class Retried(Protocol):
    """Awaits a call until it succeeds."""

    async def __call__(self, call: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        """The answer of `call(*arguments)`."""


def retrying(
    what: str,
    longest_pause: float,
    should_stop: Callable[[], bool],
    status: Status,
    on_try: Callable[[], None] = lambda: None,
    longest_wait: float | None = None,
    refused_after: float = 30.0,
) -> Retried:
    """A function that awaits `call(*arguments)` until it succeeds, the worker stops, or it fails for good.

    Args:
        what: who is waited for, as status and log shall name it.
        longest_pause: seconds between two tries at the most.
        should_stop: whether the worker is ending; the last error is raised then.
        status: is told.
        on_try: told of each failed try: who waits is not hung.
        longest_wait: seconds after which the last error is raised; None waits for ever.
        refused_after: seconds after which an unknown topic is taken for a refusal.

    Raises (when awaited):
        RefusedError: a topic refuses.
    """

    async def call_until_it_succeeds(call: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        who = object()

        def is_enough(state: RetryCallState) -> bool:
            waited = state.seconds_since_start or 0.0
            error = state.outcome.exception() if state.outcome else None
            is_refused = isinstance(error, _REFUSALS) and waited > refused_after
            return should_stop() or is_refused or (longest_wait is not None and waited > longest_wait)

        def say(error: BaseException | None) -> None:
            on_try()
            status.wait(who, what, f"{type(error).__name__}: {error}")

        slow = asyncio.get_running_loop().call_later(
            SLOW_AFTER, status.wait, who, what, f"no answer for {SLOW_AFTER:.0f} s"
        )
        try:
            try:
                # Mostly the only try: tenacity costs more than the scoring of a small batch.
                return await call(*arguments)
            except Exception as error:
                if should_stop() or not passes_by_itself(error):
                    raise
                say(error)
            return await AsyncRetrying(
                retry=retry_if_exception(passes_by_itself),
                wait=wait_random_exponential(multiplier=0.05, max=longest_pause),
                stop=is_enough,
                before_sleep=lambda state: say(state.outcome.exception() if state.outcome else None),
                reraise=True,
            )(call, *arguments)
        except _REFUSALS as error:
            if should_stop():
                raise
            topic = next((argument for argument in arguments if isinstance(argument, str)), "")
            raise RefusedError(
                f"{what} refuses topic {topic}: {type(error).__name__} {error}. Does the topic exist, may this worker "
                "use it, and does it take messages of this size (max.message.bytes)?"
            ) from error
        finally:
            slow.cancel()
            status.go_on(who)

    return call_until_it_succeeds
