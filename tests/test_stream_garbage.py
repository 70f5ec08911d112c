"""Cycles are found although the collector is off, without a look at everything each time."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from stream import garbage


class Knot:
    """Holds itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector as it was, after the test."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("collector")
async def test_a_cycle_is_freed_soon_and_an_old_one_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was dropped when it was young; and one that a look had already passed over when it was dropped."""
    monkeypatch.setattr(garbage, "_EVERY", 0.001)
    monkeypatch.setattr(garbage, "_OLDER", 5)
    task = asyncio.create_task(garbage.collect_now_and_then())
    await asyncio.sleep(0)
    old, young = Knot(), Knot()
    gone = [weakref.ref(old), weakref.ref(young)]
    del young
    async with asyncio.timeout(20):
        while gone[1]() is not None:
            await asyncio.sleep(0.001)
        del old
        while gone[0]() is not None:
            await asyncio.sleep(0.001)
    assert not gc.isenabled()
    task.cancel()


def test_most_looks_are_at_what_is_new() -> None:
    """Once in ten minutes also at what is older, once an hour at all."""
    looked = [garbage.generation(look) for look in range(1, 361)]
    assert (looked.count(0), looked.count(1), looked[-1]) == (354, 5, 2)
