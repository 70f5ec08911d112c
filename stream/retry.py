"""What to do while Redis or Kafka is away: wait, with backoff, and say so once."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError, KafkaTimeoutError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from store.client import UNAVAILABLE

logger = logging.getLogger(__name__)


def passes_by_itself(error: BaseException) -> bool:
    """Whether the call may succeed unchanged when the server is back."""
    if isinstance(error, KafkaError):
        # The broker's silence is not retriable in aiokafka's eyes, since a producer's retries are used up by then.
        return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
    return isinstance(error, UNAVAILABLE)


def retrying(
    what: str, longest_pause: float, should_stop: Callable[[], bool], on_try: Callable[[], None] = lambda: None
) -> Callable[..., Awaitable[Any]]:
    """A function that awaits `call(*arguments)` until it succeeds, the worker stops, or it fails for good.

    Args:
        what: who is waited for, as the log shall name it.
        longest_pause: seconds between two tries at the most.
        should_stop: whether the worker is ending; the last error is raised then.
        on_try: told of each failed try: who waits is not hung.
    """

    def say(state: RetryCallState) -> None:
        on_try()
        if state.attempt_number == 1 and state.outcome is not None:
            error = state.outcome.exception()
            logger.warning("waiting for %s: %s: %s", what, type(error).__name__, error)

    async def call_until_it_succeeds(call: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        retries = AsyncRetrying(
            retry=retry_if_exception(passes_by_itself),
            wait=wait_random_exponential(multiplier=0.05, max=longest_pause),
            stop=lambda _: should_stop(),
            before_sleep=say,
            reraise=True,
        )
        answer: Any = await retries(call, *arguments)
        if retries.statistics["attempt_number"] > 1:
            logger.warning("%s is back after %d tries", what, retries.statistics["attempt_number"])
        return answer

    return call_until_it_succeeds
