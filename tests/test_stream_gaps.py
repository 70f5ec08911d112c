"""What the consumer leaves out is read again."""

import logging

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.gaps import filled
from stream.transport import Record

TOPIC: list[Record] = list(fakes.records([b"%d" % offset for offset in range(60)]))


async def read(start: int, stop: int) -> list[Record]:
    """What the topic has."""
    return TOPIC[start:stop]


async def nothing(start: int, stop: int) -> list[Record]:
    """A topic that has lost it."""
    return []


@given(st.integers(0, 59), st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), min_size=1, max_size=5))
async def test_nothing_is_left_out_and_nothing_out_of_order(expected: int, places: list[tuple[int, int]]) -> None:
    """Whatever batches come, each offset from the expected one to the last is there once, in order."""
    batches = [TOPIC[start : start + size] for start, size in places]
    found = [record.offset for record in await filled(batches, expected, read)]
    assert found == sorted(set(found))
    assert set(range(expected, max(batch[-1].offset for batch in batches) + 1)) <= set(found)


async def test_batches_that_follow_each_other_are_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    """Without a gap nothing is read and nothing said."""
    found = await filled([TOPIC[10:20], TOPIC[20:21]], 10, nothing)
    assert found == TOPIC[10:21]
    assert caplog.records == []


async def test_a_redelivered_batch_is_passed_on_whole() -> None:
    """What comes first and from before is answered from the log of replies: it must reach the store."""
    assert await filled([TOPIC[5:15]], 30, nothing) == TOPIC[5:15]


async def test_offsets_that_the_topic_does_not_have_are_no_gap(caplog: pytest.LogCaptureFixture) -> None:
    """A compacted topic, a transaction's marker, retention: there is nothing to read, and it goes on."""
    assert await filled([TOPIC[20:30]], 10, nothing) == TOPIC[20:30]
    assert caplog.records == []


async def test_what_was_left_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A line names the offsets."""
    with caplog.at_level(logging.WARNING, "stream.gaps"):
        assert await filled([TOPIC[20:30]], 10, read) == TOPIC[10:30]
    assert [line.getMessage() for line in caplog.records] == [
        "offsets 10..19 were left out by the consumer: read again"
    ]
