"""The garbage collector, kept off the data's way.

Each batch makes tens of thousands of objects that live until it is sent, so the collector runs all the time and looks
at the bundle's tables, millions of objects, again and again: a third of a worker's time, 130 ms at once (measured).
None of what a batch makes is a cycle; what is (tasks, tracebacks of failed calls) is little, and most of it is young:
looking for it among all that came since the worker's start stopped every batch for 10 - 25 ms. What is new holds the
batches at work: a look at them takes 2 ms when there are few and 40 - 90 ms when a worker is behind, so it is rare.
"""

import asyncio
import gc
from itertools import count

_EVERY = 10.0  # seconds between two looks at what is new
_OLDER, _ALL = 60, 360  # each so many looks: also at what one look left over; at everything since the start


async def collect_now_and_then() -> None:
    """Take all that is there now for permanent, and look for cycles only once in a while, for ever."""
    gc.collect()
    gc.freeze()
    gc.disable()
    for look in count(1):
        await asyncio.sleep(_EVERY)
        gc.collect(generation(look))


def generation(look: int) -> int:
    """The oldest generation to look at: 0 is what came since the last look, 2 is everything."""
    return 2 if look % _ALL == 0 else 1 if look % _OLDER == 0 else 0
