"""The garbage collector, kept off the data's way.

Each batch makes tens of thousands of objects that live until it is sent, so the collector runs all the time and looks
at the bundle's tables, millions of objects, again and again: a third of a worker's time, 130 ms at once (measured).
None of what a batch makes is a cycle; what is (tasks, tracebacks of failed calls) is little, and is looked for now
and then.
"""

import asyncio
import gc

_EVERY = 10.0  # seconds


async def collect_now_and_then() -> None:
    """Take all that is there now for permanent, and look for cycles only once in a while, for ever."""
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        await asyncio.sleep(_EVERY)
        gc.collect()
