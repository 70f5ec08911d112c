"""Offsets that the consumer left out are read again: an offset is taken for done only when its record was seen.

A fetch that is on its way during a rebalance comes back labelled with the new generation, though from the old position.
What is then fetched from the committed offset lies before it, and Faust drops it as old (Consumer._drain_messages).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from stream.transport import Record

logger = logging.getLogger(__name__)

Read = Callable[[int, int], Awaitable[list[Record]]]


async def filled(batches: Sequence[Sequence[Record]], expected: int, read: Read) -> list[Record]:
    """The records of the batches in the order of their offsets, with those that are missing among and before them.

    Args:
        batches: of one partition, none of them empty.
        expected: the offset before which nothing is left to do.
        read: the records that the topic has from one offset to before another; where it was compacted, or its retention
            took them, there are none.
    """
    records: list[Record] = []
    for batch in batches:
        if batch[0].offset > expected:
            found = await read(expected, batch[0].offset)
            if found:
                first, last = found[0].offset, found[-1].offset
                logger.warning("offsets %d..%d were left out by the consumer: read again", first, last)
            records += found
        # A first batch from before is a redelivery, answered from the log; behind others it would be out of order.
        records += [record for record in batch if not records or record.offset > records[-1].offset]
        expected = max(expected, batch[-1].offset + 1)
    return records
