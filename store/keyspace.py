"""The names of what the store keeps in Redis.

All names of one namespace share a hash tag: one Lua call may touch them all, on Redis Cluster too.
"""

import re
from typing import NamedTuple


class Source(NamedTuple):
    """A partition of the impressions topic: the unit of order, of the fence and of the log of replies."""

    topic: str
    partition: int


def batch_number(namespace: str) -> str:
    """Counter of batches: the order in which they were counted."""
    return f"{{{namespace}}}:batch"


def fence(namespace: str, source: Source) -> str:
    """Next offset of the source to count; everything before it is counted."""
    return f"{{{namespace}}}:fence:{source.topic}:{source.partition}"


def log(namespace: str, source: Source) -> str:
    """Replies of the source's last batches: those whose offsets may not be committed yet."""
    return f"{{{namespace}}}:log:{source.topic}:{source.partition}"


def run(namespace: str) -> str:
    """The run id of the Redis process whose counts are known to be whole, or are being made so."""
    return f"{{{namespace}}}:run"


def whole(namespace: str, topic: str) -> str:
    """Partitions of the topic whose counts are whole in this run of Redis."""
    return f"{{{namespace}}}:whole:{topic}"


def day(namespace: str, number: int) -> str:
    """Tiles of all keys on the day with this number (hour index // 24)."""
    return f"{{{namespace}}}:day:{number}"


def any_day(namespace: str) -> str:
    """The pattern of all names that `day` gives, as SCAN takes it."""
    return _literally(day(namespace, 0).removesuffix("0")) + "*"


def anything(namespace: str) -> str:
    """The pattern of all names of the namespace, as SCAN takes it."""
    return _literally(f"{{{namespace}}}:") + "*"


def _literally(text: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
