"""Lanes: order within a partition, overlap across partitions, and what an error does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from faust.types import TP

from stream.lanes import MAX_WAITING, Events, GivenUpError, Lanes

A, B = TP("impressions", 0), TP("impressions", 1)


class Message(NamedTuple):
    """The part of a Faust message that lanes look at."""

    tp: TP


class Event(NamedTuple):
    """A record batch: its partition, its records, its number."""

    message: Message
    value: list[int]
    number: int


def event(tp: TP, number: int, size: int = 1) -> Any:
    """A record batch of `size` records."""
    return Event(Message(tp), [number] * size, number)


async def until(condition: Callable[[], bool]) -> None:
    """Let everything run until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def settle() -> None:
    """Let everything run that can run without anything from outside."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass
class Scorer:
    """Scores when it is let, one permission a call of a partition, and remembers what it was called with."""

    called: list[tuple[TP, list[int]]] = field(default_factory=list)
    done: list[tuple[TP, list[int]]] = field(default_factory=list)
    permissions: dict[TP, asyncio.Semaphore] = field(
        default_factory=lambda: {A: asyncio.Semaphore(0), B: asyncio.Semaphore(0)}
    )
    errors: dict[int, BaseException] = field(default_factory=dict)
    told: list[Exception] = field(default_factory=list)
    stale: set[int] = field(default_factory=set)
    given_up: list[Any] = field(default_factory=list)

    async def score(self, events: Events) -> None:
        """Wait for permission, then raise what the first batch is to raise, or be done."""
        tp, numbers = events[0].message.tp, [one.number for one in events]
        self.called.append((tp, numbers))
        await self.permissions[tp].acquire()
        if numbers[0] in self.errors:
            raise self.errors[numbers[0]]
        self.done.append((tp, numbers))

    def is_current(self, one: Any) -> bool:
        """Whether the batch is not stale."""
        return one.number not in self.stale

    async def on_error(self, error: Exception) -> None:
        """Remember the error."""
        self.told.append(error)

    def let(self, tp: TP, calls: int = 1) -> None:
        """Permit calls of a partition to finish."""
        for _ in range(calls):
            self.permissions[tp].release()


@asynccontextmanager
async def running(scorer: Scorer) -> AsyncIterator[Lanes]:
    """Lanes over a scorer, ended at the end."""
    lanes = Lanes(scorer.score, scorer.is_current, scorer.given_up.append, scorer.on_error)
    try:
        yield lanes
    finally:
        await lanes.stop()


async def test_batches_of_a_partition_are_scored_in_order_one_call_at_a_time() -> None:
    """While one call works nothing else of its partition begins; the order of arrival is kept throughout."""
    scorer = Scorer()
    async with running(scorer) as lanes:
        for number in range(20):
            await lanes.put(event(A, number))
            await settle()
            assert len(scorer.called) - len(scorer.done) <= 1
            if number % 3 == 0:
                scorer.let(A)
        scorer.let(A, 20)
        await until(lambda: sum(len(numbers) for _, numbers in scorer.done) == 20)
    assert [number for _, numbers in scorer.done for number in numbers] == list(range(20))


async def test_what_waits_for_a_busy_lane_is_scored_together() -> None:
    """Batches that came while one was at work make the next call, all at once and in order."""
    scorer = Scorer()
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: bool(scorer.called))
        for number in (1, 2, 3):
            await lanes.put(event(A, number))
        scorer.let(A, 2)
        await until(lambda: len(scorer.done) == 2)
    assert scorer.done == [(A, [0]), (A, [1, 2, 3])]


async def test_a_single_batch_does_not_wait_for_company() -> None:
    """An idle lane scores what comes at once."""
    scorer = Scorer()
    scorer.let(A)
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: scorer.done == [(A, [0])])


async def test_partitions_overlap() -> None:
    """A partition whose call waits does not hold up another one."""
    scorer = Scorer()
    scorer.let(B, 5)
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: bool(scorer.called))
        for number in range(10, 15):
            await lanes.put(event(B, number))
            await until(lambda number=number: scorer.done[-1:] == [(B, [number])])  # type: ignore[misc]
        assert (A, [0]) not in scorer.done
        scorer.let(A)
        await until(lambda: (A, [0]) in scorer.done)


async def test_a_call_never_mixes_partitions() -> None:
    """Whatever comes in turns, each call has batches of one partition."""
    scorer = Scorer()
    scorer.let(A, 30)
    scorer.let(B, 30)
    async with running(scorer) as lanes:
        for number in range(30):
            await lanes.put(event(A if number % 2 else B, number))
        await until(lambda: sum(len(numbers) for _, numbers in scorer.done) == 30)
    for tp in (A, B):
        assert [n for found, numbers in scorer.done if found == tp for n in numbers] == [
            n for n in range(30) if (A if n % 2 else B) == tp
        ]


async def test_a_full_lane_takes_no_more_until_it_gets_to_work() -> None:
    """Put waits while MAX_WAITING records wait, so memory is bounded; then it goes on."""
    scorer = Scorer()
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: bool(scorer.called))
        await lanes.put(event(A, 1, MAX_WAITING - 1))
        await lanes.put(event(A, 2, 1))
        putting = asyncio.create_task(lanes.put(event(A, 3)))
        await settle()
        assert not putting.done()
        scorer.let(A)
        await until(putting.done)
        scorer.let(A, 2)
        await until(lambda: len(scorer.done) == 3)
    assert scorer.done == [(A, [0]), (A, [1, 2]), (A, [3])]


async def test_an_error_ends_its_lane_and_no_other() -> None:
    """After an error nothing more of the partition is scored, and the other partition goes on."""
    scorer = Scorer(errors={1: RuntimeError("broken")})
    scorer.let(A, 9)
    scorer.let(B, 9)
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: len(scorer.done) == 1)
        await lanes.put(event(A, 1))
        await until(lambda: bool(scorer.told))
        await lanes.put(event(A, 2))
        await lanes.put(event(B, 10))
        await until(lambda: (B, [10]) in scorer.done)
        await settle()
    assert [number for tp, numbers in scorer.called if tp == A for number in numbers] == [0, 1]
    assert [str(error) for error in scorer.told] == ["broken"]


async def test_stop_ends_lanes_that_work_and_lanes_that_wait() -> None:
    """Stop cancels what is under way and returns; nothing is reported as an error, nothing finishes later."""
    scorer = Scorer()
    lanes = Lanes(scorer.score, scorer.is_current, scorer.given_up.append, scorer.on_error)
    await lanes.put(event(A, 0))
    await until(lambda: bool(scorer.called))
    await lanes.put(event(A, 1))
    await lanes.put(event(B, 2))
    await until(lambda: len(scorer.called) == 2)
    await lanes.stop()
    scorer.let(A, 5)
    scorer.let(B, 5)
    await settle()
    assert (scorer.done, scorer.told) == ([], [])


async def test_lanes_that_never_had_work_can_be_stopped() -> None:
    """A worker without partitions ends as well."""
    scorer = Scorer()
    await Lanes(scorer.score, scorer.is_current, scorer.given_up.append, scorer.on_error).stop()
    assert scorer.called == []


async def test_a_call_that_is_cancelled_from_inside_is_an_error_too() -> None:
    """A CancelledError that nobody's stop() caused must not end a lane in silence: its partition would stand still."""
    scorer = Scorer(errors={0: asyncio.CancelledError()})
    scorer.let(A)
    async with running(scorer) as lanes:
        await lanes.put(event(A, 0))
        await until(lambda: bool(scorer.called))
        await settle()
        assert scorer.told, "the lane is dead and nobody was told"


async def test_stale_batches_are_given_up_unscored() -> None:
    """What was fetched before a rebalance is not scored out of its turn: it is given up, and the rest goes on."""
    scorer = Scorer(stale={1})
    scorer.let(A, 10)
    async with running(scorer) as lanes:
        for number in (1, 2):
            await lanes.put(event(A, number))
        await until(lambda: (A, [2]) in scorer.done)
        assert [one.number for one in scorer.given_up] == [1]


async def test_a_batch_that_gives_up_does_not_end_its_lane() -> None:
    """GivenUpError leaves the batch for another time; nobody is told of an error and the lane goes on."""
    scorer = Scorer(errors={1: GivenUpError("drained")})
    scorer.let(A, 10)
    async with running(scorer) as lanes:
        await lanes.put(event(A, 1))
        await until(lambda: bool(scorer.given_up))
        await lanes.put(event(A, 2))
        await until(lambda: (A, [2]) in scorer.done)
        assert scorer.told == []


async def test_who_holds_the_lock_knows_that_nothing_is_at_work() -> None:
    """A partition's lock is the same one for every caller, and another partition's is another."""
    async with running(Scorer()) as lanes:
        assert lanes.at_work(A) is lanes.at_work(A)
        assert lanes.at_work(A) is not lanes.at_work(B)


async def test_stop_ends_a_lane_whose_call_keeps_the_cancellation_to_itself() -> None:
    """Libraries that swallow a CancelledError, as they close what they hold, do not keep the worker from ending."""
    started = asyncio.Event()

    async def swallow(_: Any) -> None:
        started.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    scorer = Scorer()
    lanes = Lanes(swallow, scorer.is_current, scorer.given_up.append, scorer.on_error)
    await lanes.put(event(A, 0))
    async with asyncio.timeout(10):
        await started.wait()
        await lanes.stop()
