"""Gathering: small calls share one, and nobody gets another's answer or error."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from store.gather import gathered

LARGE = 10


class Doubler:
    """Answers a number with its double after a turn of the event loop; an error to 3, none to anybody while away."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.away = False
        self.wait = asyncio.Event()
        self.wait.set()

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        """One answer a number."""
        self.calls.append([*numbers])
        await self.wait.wait()
        if self.away:
            raise ConnectionError("away")
        return [ArithmeticError("three") if number == 3 else 2 * number for number in numbers]


def ask_one(doubler: Doubler) -> Callable[[int], Awaitable[int]]:
    """The gathered function; a number is its own size."""
    return gathered(doubler, lambda number: number, LARGE, 0.001)


async def test_concurrent_small_calls_are_one() -> None:
    """Each gets its own answer; what comes later is another call."""
    doubler = Doubler()
    one = ask_one(doubler)
    assert await asyncio.gather(*map(one, range(1, 3)), *map(one, range(4, 8))) == [2, 4, 8, 10, 12, 14]
    assert await one(9) == 18
    assert doubler.calls == [[1, 2, 4, 5, 6, 7], [9]]


async def test_a_large_call_goes_alone_and_at_once() -> None:
    """It waits for nobody, and nobody for it."""
    doubler = Doubler()
    one = ask_one(doubler)
    assert await asyncio.gather(one(1), one(LARGE), one(2)) == [2, 20, 4]
    assert doubler.calls == [[LARGE], [1, 2]]


async def test_an_error_is_that_ones_alone() -> None:
    """The others of the call get their answers; alone it is raised as well."""
    doubler = Doubler()
    one = ask_one(doubler)
    found = await asyncio.gather(one(2), one(3), one(4), return_exceptions=True)
    assert (found[0], found[2]) == (4, 8)
    assert isinstance(found[1], ArithmeticError)
    with pytest.raises(ArithmeticError):
        await gathered(doubler, lambda _: LARGE, LARGE, 0.001)(3)


async def test_what_the_call_raises_all_get_and_the_next_call_is_made_anew() -> None:
    """An error leaves nothing behind."""
    doubler = Doubler()
    doubler.away = True
    one = ask_one(doubler)
    found = await asyncio.gather(one(1), one(2), return_exceptions=True)
    assert [type(error) for error in found] == [ConnectionError] * 2
    doubler.away = False
    assert await one(1) == 2


async def test_who_is_cancelled_takes_nobody_with_it() -> None:
    """A lane that ends while it waits leaves the others their answers."""
    doubler = Doubler()
    doubler.wait.clear()
    one = ask_one(doubler)
    tasks = [asyncio.ensure_future(one(number)) for number in (1, 2)]
    while not doubler.calls:
        await asyncio.sleep(0)
    tasks[0].cancel()
    doubler.wait.set()
    assert await tasks[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_call_that_is_cancelled_leaves_nobody_waiting() -> None:
    """When the loop ends its tasks, who waits for them ends too."""
    doubler = Doubler()
    doubler.wait.clear()
    waiting = asyncio.ensure_future(ask_one(doubler)(1))
    while not doubler.calls:
        await asyncio.sleep(0)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "gather"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
