"""Small calls that are made at about the same time are made together.

A round trip, and a call of CatBoost, cost the same however little is asked. The batches of a worker's partitions come
out of one fetch; when they are small, together they cost little more than one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_Waiting = tuple[Asked, asyncio.Future[Answer]]
Together = Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]]


def gathered(
    together: Together[Asked, Answer], size: Callable[[Asked], int], large: int, seconds: float
) -> Callable[[Asked], Awaitable[Answer]]:
    """The function that asks for one, together with concurrent calls.

    Args:
        together: answers several, in order, each with its answer or its error; what it raises, all of them get.
        size: of what is asked.
        large: what is of this size goes alone and at once: it would delay the others, and gain nothing.
        seconds: how long a small one waits for others.
    """
    waiting: list[_Waiting[Asked, Answer]] = []
    running: set[asyncio.Task[None]] = set()  # the loop holds its tasks weakly

    async def ask_those_who_wait() -> None:
        await asyncio.sleep(seconds)
        taken = waiting.copy()
        waiting.clear()
        await _ask(together, taken)

    async def ask_one(asked: Asked) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if size(asked) >= large:
            await _ask(together, [(asked, future)])
        else:
            waiting.append((asked, future))
            if len(waiting) == 1:
                task = asyncio.create_task(ask_those_who_wait(), name="gather")
                running.add(task)
                task.add_done_callback(running.discard)
        return await future

    return ask_one


async def _ask(together: Together[Asked, Answer], taken: Sequence[_Waiting[Asked, Answer]]) -> None:
    """Answer those who wait; who does so no more was cancelled."""
    answers: Sequence[Answer | Exception]
    try:
        answers = await together([asked for asked, _ in taken])
    except Exception as error:
        answers = [error] * len(taken)
    except BaseException:  # the loop is ending
        for _, future in taken:
            future.cancel()
        raise
    for (_, future), answer in zip(taken, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
