"""Lanes: the batches of one partition are scored in order, those of different partitions overlap.

While one lane waits for Redis or Kafka another computes; a lane holds one batch at work and one waiting, so memory is
bounded by partitions x 2 x the size of a fetch.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP, EventT

Score = Callable[[EventT[Any]], Awaitable[None]]


class Lanes:
    """One queue and one task a partition.

    Args:
        score: scores and acks one batch; what it raises ends the lane and reaches `on_error`.
        on_error: told of the error; nothing more of that partition is scored, so nothing after it is acked.
    """

    def __init__(self, score: Score, on_error: Callable[[Exception], Awaitable[None]]) -> None:
        self._score = score
        self._on_error = on_error
        self._queues: dict[TP, asyncio.Queue[EventT[Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, event: EventT[Any]) -> None:
        """Hand a batch to its partition's lane; waits while the lane is full."""
        tp = event.message.tp
        queue = self._queues.get(tp)
        if queue is None:
            queue = self._queues[tp] = asyncio.Queue(maxsize=1)
            self._tasks.add(asyncio.create_task(self._run(queue), name=f"lane {tp}"))
        await queue.put(event)

    async def stop(self) -> None:
        """End all lanes, whatever they wait for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, queue: asyncio.Queue[EventT[Any]]) -> None:
        while True:
            event = await queue.get()
            try:
                await self._score(event)
            except Exception as error:  # noqa: BLE001  # whatever it is, the batch must not be taken for done
                await self._on_error(error)
                return
