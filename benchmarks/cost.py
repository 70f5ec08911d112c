"""What a stretch of work cost the processor, process by process."""

import time
from collections.abc import Callable, Sequence

import msgspec
import psutil

from local.stack import Stack


class Cost(msgspec.Struct, frozen=True):
    """Processor time during the measured stretch, in cores: 1.0 is one core all the time."""

    worker: float  # of all processes of the contender together
    broker: float | None  # None where it is external
    redis: float | None


def measured(stack: Stack, processes: Sequence[psutil.Popen]) -> Callable[[], Cost]:
    """The function that gives the cost from now until it is called, before the processes end."""
    begun, before = time.monotonic(), _processor_seconds(stack, processes)

    def cost() -> Cost:
        seconds, after = time.monotonic() - begun, _processor_seconds(stack, processes)
        cores = [None if b is None or a is None else (a - b) / seconds for b, a in zip(before, after, strict=True)]
        return Cost(cores[0] or 0.0, cores[1], cores[2])

    return cost


def _processor_seconds(stack: Stack, processes: Sequence[psutil.Popen]) -> list[float | None]:
    """Processor time so far of the contender, the broker and Redis."""
    worker = sum(sum(process.cpu_times()[:2]) for process in processes)
    servers = [getattr(part, "pid", None) for part in (stack.broker, stack.redis)]
    return [worker, *(None if pid is None else sum(psutil.Process(pid).cpu_times()[:2]) for pid in servers)]
