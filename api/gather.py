"""Single impressions that are asked about at the same time are scored together.

What arrives while a round trip to Redis is under way waits for the next: nobody waits for company, and under load one
round trip and one predict call serve many requests.
"""

import asyncio
from collections.abc import Awaitable, Callable

from api.counts import StoreAwayError
from api.score import Score, Scored
from schemas.impression import Impression

TOGETHER = 256  # impressions of one call at the most: keeps the event loop's pauses short

ScoreOne = Callable[[Impression], Awaitable[Scored]]
_Waiting = tuple[Impression, asyncio.Future[Scored]]


class BusyError(RuntimeError):
    """More impressions wait than may."""


def gathered(score: Score, most_waiting: int) -> ScoreOne:
    """The function that scores one impression, together with those of concurrent calls.

    Returns:
        `score_one(impression)`, which raises BusyError when `most_waiting` are waiting, and what `score` raises.
    """
    waiting: list[_Waiting] = []
    running: set[asyncio.Task[None]] = set()  # one at the most; kept, because the loop holds its tasks weakly

    async def run() -> None:
        while waiting:
            taken = waiting[:TOGETHER]
            del waiting[:TOGETHER]
            await _answer(score, taken)
        running.clear()  # here and not when the task is done: nothing can be added between the look and this line

    async def score_one(shown: Impression) -> Scored:
        if len(waiting) >= most_waiting:
            raise BusyError(f"{most_waiting} impressions are waiting for their scores")
        future: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
        waiting.append((shown, future))
        if not running:
            running.add(asyncio.create_task(run(), name="gather"))
        return await future

    return score_one


async def _answer(score: Score, taken: list[_Waiting]) -> None:
    try:
        scored = await score([shown for shown, _ in taken])
    except Exception as error:
        if len(taken) == 1 or isinstance(error, StoreAwayError):
            for _, future in taken:
                if not future.done():  # a client that hung up has cancelled its own
                    future.set_exception(error)
            return
        for one in taken:  # one of them is to blame: the others get their scores
            await _answer(score, [one])
        return
    for (_, future), one_scored in zip(taken, scored, strict=True):
        if not future.done():
            future.set_result(one_scored)
