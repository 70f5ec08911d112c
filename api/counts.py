"""The counts of impressions, and what is done while Redis is away."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from api.metrics import Metrics
from features.keys import keys
from features.windows import COUNT_NAMES, Counts
from schemas import hours
from schemas.impression import Impression
from store.client import passes_by_itself
from store.peek import Peek, Question

NO_COUNTS: Counts = (0,) * len(COUNT_NAMES)

logger = structlog.get_logger(__name__)


class Counted(NamedTuple):
    """The counts of impressions; degraded where nobody could be asked."""

    counts: Sequence[Counts]
    degraded: bool


Count = Callable[[Sequence[Impression]], Awaitable[Counted]]


class StoreAwayError(RuntimeError):
    """Redis does not answer, and nothing is guessed."""


def counter(peek: Peek, metrics: Metrics, *, degraded: bool) -> Count:
    """The function that gives impressions their counts, and says in one log line when Redis goes and comes back.

    Args:
        peek: of the store.
        metrics: told whether Redis answers.
        degraded: give empty counts while it does not.

    Returns:
        `count(impressions)`, which raises StoreAwayError while Redis is away, unless `degraded`.
    """
    is_away = False

    async def count(impressions: Sequence[Impression]) -> Counted:
        nonlocal is_away
        try:
            found = await peek([Question(keys(one), hours.index(one.hour)) for one in impressions])
        except Exception as error:
            if not passes_by_itself(error):
                raise
            if not is_away:
                logger.warning("redis_away", error=f"{type(error).__name__}: {error}")
            is_away = True
            metrics.redis_up.set(0)
            if degraded:
                return Counted([NO_COUNTS] * len(impressions), degraded=True)
            raise StoreAwayError("Redis does not answer; try again") from error
        if is_away:
            logger.warning("redis_back")
        is_away = False
        metrics.redis_up.set(1)
        return Counted(found, degraded=False)

    return count
