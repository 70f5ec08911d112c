"""Lanes: the batches of one partition are scored in order, those of different partitions overlap.

While one lane waits for Redis or Kafka another computes. What arrives for a busy lane waits and is scored together
when it is free: batches are small when there is little to do, so latency is low, and large under load, so throughput
is high.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP, EventT

# A lane with this many records waiting takes no more until it gets to work: with one batch at work and Faust's own
# short queue it bounds the memory of a worker that waits for Redis.
MAX_WAITING = 5000

Events = list[EventT[Any]]
Score = Callable[[Events], Awaitable[None]]


class GivenUpError(RuntimeError):
    """A batch was left unscored because its partition is being taken away or the worker ends; it will come again."""


def is_cancelled() -> bool:
    """Whether the current task was cancelled, also where something it awaited kept that to itself.

    aiokafka's clients do when they are closed at that moment, and asyncio.wait_for does on Python 3.11.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Lane:
    """The record batches of one partition that wait, in order."""

    def __init__(self) -> None:
        self.waiting: Events = []
        self.changed = asyncio.Condition()
        self.at_work = asyncio.Lock()

    def is_full(self) -> bool:
        return sum(len(event.value) for event in self.waiting) >= MAX_WAITING


class Lanes:
    """One lane and one task a partition.

    Args:
        score: scores and acks record batches of one partition. GivenUpError leaves them and the lane goes on; what
            else it raises ends the lane and reaches `on_error`.
        is_current: whether a batch is still ours to score. After a rebalance what was fetched before it comes again,
            from the committed offset on; to score it out of its turn would put later impressions before earlier ones.
        give_up: told of a batch that is dropped unscored.
        on_error: told of the error; nothing more of that partition is scored, so nothing after it is acked.
    """

    def __init__(
        self,
        score: Score,
        is_current: Callable[[EventT[Any]], bool],
        give_up: Callable[[EventT[Any]], None],
        on_error: Callable[[Exception], Awaitable[None]],
    ) -> None:
        self._score = score
        self._is_current = is_current
        self._give_up = give_up
        self._on_error = on_error
        self._lanes: dict[TP, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def at_work(self, tp: TP) -> asyncio.Lock:
        """Held while a batch of the partition is scored: who takes it knows that none is on its way to the broker."""
        return self._lane(tp).at_work

    async def put(self, event: EventT[Any]) -> None:
        """Hand a record batch to its partition's lane; waits while the lane is full."""
        lane = self._lane(event.message.tp)
        async with lane.changed:
            await lane.changed.wait_for(lambda: not lane.is_full())
            lane.waiting.append(event)
            lane.changed.notify_all()

    async def stop(self) -> None:
        """End all lanes, whatever they wait for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _lane(self, tp: TP) -> _Lane:
        lane = self._lanes.get(tp)
        if lane is None:
            lane = self._lanes[tp] = _Lane()
            self._tasks.add(asyncio.create_task(self._run(lane), name=f"lane {tp}"))
        return lane

    async def _run(self, lane: _Lane) -> None:
        while not is_cancelled():
            async with lane.changed:
                await lane.changed.wait_for(lambda: bool(lane.waiting))
                events, lane.waiting = lane.waiting, []
                lane.changed.notify_all()
            try:
                await self._score_current(events)
            except asyncio.CancelledError as error:
                if is_cancelled():  # by stop(); else something inside was cancelled
                    raise
                await self._on_error(RuntimeError(f"scoring was cancelled from inside: {error}"))
                return
            except Exception as error:  # whatever it is, the batch must not be taken for done
                await self._on_error(error)
                return

    async def _score_current(self, events: Events) -> None:
        current = [event for event in events if self._is_current(event)]
        dropped = [event for event in events if event not in current]
        if current:
            try:
                await self._score(current)
            except GivenUpError:
                dropped += current
        for event in dropped:
            self._give_up(event)
