"""The store against a real Redis: counts are exact, whatever is redelivered, interleaved or late."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import fakes
import pytest
import redis
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from features.keys import Keys, keys
from features.windows import Counts, State, observe, peek
from schemas import hours
from schemas.impression import Impression
from store.apply import Apply, ForgottenError, applier
from store.batch import Counted, Observation
from store.client import connect, passes_by_itself
from store.keyspace import Source, batch_number, day, fence, log
from store.peek import Peek, Question, peeker
from store.settings import StoreSettings

pytestmark = pytest.mark.integration

HOUR = hours.index(14103123)  # the last of a month
ONE, OTHER = Source("impressions", 0), Source("impressions", 1)


Counting = Callable[[Source, int, Sequence[Observation], int], Awaitable[list[Counted]]]


def regardless(apply: Apply) -> Counting:
    """Counts whether or not partitions are whole: that is test_store_whole's subject."""

    async def count(source: Source, last: int, found: Sequence[Observation], committed: int) -> list[Counted]:
        return await apply(source, last, found, committed, 0)

    return count


def one(peek: Peek) -> Callable[[Keys, int], Awaitable[Counts]]:
    """Asks one question."""

    async def ask(keys: Keys, hour: int) -> Counts:
        (counts,) = await peek([Question(keys, hour)])
        return counts

    return ask


@dataclass
class Store:
    """A store in a namespace of its own."""

    settings: StoreSettings
    apply: Counting
    peek: Callable[[Keys, int], Awaitable[Counts]]
    peek_all: Peek

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.settings.store_namespace


@asynccontextmanager
async def opened(url: str, **changes: object) -> AsyncIterator[Store]:
    """An empty store; its keys are removed at the end."""
    settings = StoreSettings(redis_url=url, store_namespace=f"test-{uuid4()}", **changes)  # type: ignore[arg-type]
    client = connect(settings)
    try:
        peek_all = peeker(client, settings)
        yield Store(settings, regardless(applier(client, settings)), one(peek_all), peek_all)
        if left := await client.keys(f"{{{settings.store_namespace}}}:*"):
            await client.delete(*left)
    finally:
        await client.aclose()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """An empty store."""
    async with opened(redis_url) as made:
        yield made


def same(count: int, first: int = 0, hour: int = HOUR, ip: str = "i1") -> list[Observation]:
    """Observations of one address."""
    return [Observation(offset, hour, (ip, None, "u1")) for offset in range(first, first + count)]


def contents(raw: redis.Redis, store: Store) -> dict[bytes, object]:
    """All that the store keeps."""
    found: dict[bytes, object] = {}
    readers: dict[bytes, Callable[[bytes], object]] = {
        b"string": raw.get,
        b"list": lambda name: raw.lrange(name, 0, -1),
        b"hash": raw.hgetall,
    }
    for name in raw.scan_iter(f"{{{store.namespace}}}:*", count=1000):
        found[name] = readers[raw.type(name)](name)
    return found


# ------------------------------------------------------------------------------------------ the one property


@dataclass
class Partition:
    """What a topic-partition holds, and how far its consumer is."""

    source: Source
    messages: list[Observation | None]  # None: a broken message, which the store never sees
    next: int = 0
    committed: int = 0
    answers: dict[int, Counted] = field(default_factory=dict)


@dataclass
class World:
    """Partitions, and what the counts must be: those of observing in memory, each impression once."""

    store: Store
    partitions: list[Partition]
    state: State = field(default_factory=dict)
    batches: int = 0

    async def deliver(self, partition: Partition, size: int) -> None:
        """The consumer hands the next messages over; what it gets must be right, and equal when redelivered."""
        stop = min(partition.next + size, len(partition.messages))
        found = [one for one in partition.messages[partition.next : stop] if one is not None]
        answers = await self.store.apply(partition.source, stop - 1, found, partition.committed)
        assert len(answers) == len(found)
        fresh = {}
        for observation, answer in zip(found, answers, strict=True):
            if observation.offset in partition.answers:
                assert answer == partition.answers[observation.offset], "a redelivered impression got another answer"
                continue
            assert answer.counts == observe(self.state, observation.keys, observation.hour)
            fresh[observation.offset] = answer
        if fresh:
            self.batches += 1
            assert {answer.batch for answer in fresh.values()} == {self.batches}
        partition.answers |= fresh
        partition.next = stop

    async def check_totals(self) -> None:
        """Nothing was lost or counted twice: peek, and counting again in (batch, offset) order, give the same."""
        by_number = {}
        for partition in self.partitions:
            for observation in filter(None, partition.messages):
                if answer := partition.answers.get(observation.offset):
                    by_number[answer.batch, observation.offset] = observation, answer
                got = await self.store.peek(observation.keys, observation.hour)
                assert got == peek(self.state, observation.keys, observation.hour)
        again: State = {}
        for _, (observation, answer) in sorted(by_number.items()):
            assert observe(again, observation.keys, observation.hour) == answer.counts
        assert again == self.state


def messages_of(sequence: Sequence[Impression | None]) -> list[Observation | None]:
    """A partition's messages: impressions and broken ones."""
    return [
        None if shown is None else Observation(offset, hours.index(shown.hour), keys(shown))
        for offset, shown in enumerate(sequence)
    ]


@st.composite
def partitions(draw: st.DrawFn) -> list[list[Impression | None]]:
    """One to three partitions that share users, around one edge."""
    shown = strategies.small_impressions(draw(st.sampled_from(strategies.EDGES)))
    return draw(st.lists(st.lists(shown | shown | shown | st.none(), max_size=14), min_size=1, max_size=3))


# deliver n messages, commit what was delivered, or crash: be redelivered all that is not committed
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(st.integers(1, 6), st.just("commit"), st.just("crash"), st.just("zombie"))),
    max_size=20,
)


async def run(url: str, sequences: list[list[Impression | None]], steps: list[tuple[int, int | str]]) -> None:
    """Take the steps, deliver what is left, and check."""
    async with opened(url) as store:
        world = World(
            store,
            [Partition(Source("impressions", number), messages_of(one)) for number, one in enumerate(sequences)],
        )
        for number, step in steps:
            partition = world.partitions[number % len(sequences)]
            if step == "commit":
                partition.committed = partition.next
            elif step == "crash":
                partition.next = partition.committed
            elif step == "zombie":  # a worker that lost the partition and knows of no commit repeats one message
                partition.next = max(partition.committed, partition.next - 1)
            elif partition.next < len(partition.messages):
                await world.deliver(partition, int(step))
        for partition in world.partitions:
            while partition.next < len(partition.messages):
                await world.deliver(partition, 3)
        await world.check_totals()


@given(partitions(), STEPS)
@settings(max_examples=2000)
def test_counts_are_those_of_observing_each_impression_once_in_memory(
    redis_url: str, sequences: list[list[Impression | None]], steps: list[tuple[int, int | str]]
) -> None:
    """Random batches of several partitions, late events, commits, crashes with other batch borders: exact and equal."""
    asyncio.run(run(redis_url, sequences, steps))


# ------------------------------------------------------------------------------------------ redelivery


async def test_any_suffix_is_redelivered_with_the_same_answers(store: Store, raw_redis: redis.Redis) -> None:
    """From each earlier offset on, in batches of each size, the answers are equal and nothing changes in Redis."""
    everything = [Observation(offset, HOUR + offset % 3, keys_of(offset)) for offset in range(12)]
    first = [answer for start in (0, 5, 7) for answer in await store.apply(
        ONE, {0: 4, 5: 6, 7: 11}[start], everything[start : {0: 5, 5: 7, 7: 12}[start]], 0
    )]  # fmt: skip
    before = contents(raw_redis, store)
    for start in range(12):
        for size in range(1, 13):
            again: list[Counted] = []
            for at in range(start, 12, size):
                part = everything[at : at + size]
                again += await store.apply(ONE, part[-1].offset, part, 0)
            assert again == first[start:]
    assert contents(raw_redis, store) == before


def keys_of(offset: int) -> Keys:
    """Keys that repeat every few offsets."""
    return (f"i{offset % 2}", None if offset % 3 else "d1", f"u{offset % 4}")


async def test_a_batch_that_reaches_beyond_the_fence_is_half_remembered_half_counted(store: Store) -> None:
    """What was counted is answered from the log, the rest is counted, in one call."""
    first = await store.apply(ONE, 4, same(5), 0)
    again = await store.apply(ONE, 9, same(8, 2), 0)
    assert again[:3] == first[2:]
    assert [answer.counts[0] for answer in again] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {answer.batch for answer in again[3:]} == {2}


async def test_broken_messages_at_the_borders_move_the_fence_too(store: Store, raw_redis: redis.Redis) -> None:
    """A batch whose last records were rejected is done with its last offset."""
    await store.apply(ONE, 9, same(3, 2), 0)
    assert raw_redis.get(fence(store.namespace, ONE)) == b"10"
    assert [answer.counts[0] for answer in await store.apply(ONE, 9, same(3, 2), 0)] == [0, 1, 2]
    assert await store.peek(("i1", None, "u1"), HOUR) == (3, 3, 0, 0, 3, 3)


async def test_a_batch_without_impressions_needs_no_redis(store: Store, raw_redis: redis.Redis) -> None:
    """Nothing to count leaves no trace."""
    assert await store.apply(ONE, 9, [], 0) == []
    assert contents(raw_redis, store) == {}


async def test_the_fence_is_the_next_offset(store: Store, raw_redis: redis.Redis) -> None:
    """Each batch moves its own partition's fence behind its last offset, far beyond 32 bits too."""
    await store.apply(ONE, 4, same(5), 0)
    await store.apply(OTHER, 2**52, same(1, 2**52), 0)
    assert raw_redis.get(fence(store.namespace, ONE)) == b"5"
    assert raw_redis.get(fence(store.namespace, OTHER)) == str(2**52 + 1).encode()
    assert (await store.apply(OTHER, 2**52, same(1, 2**52), 0))[0].batch == 2


async def test_the_log_is_trimmed_to_the_committed_offset(store: Store, raw_redis: redis.Redis) -> None:
    """Replies of batches before the committed offset go, those not wholly before it stay."""
    for start in range(0, 50, 5):
        await store.apply(ONE, start + 4, same(5, start), 0)
    assert log_borders(raw_redis, store) == [(start, start + 4) for start in range(0, 50, 5)]
    await store.apply(ONE, 54, same(5, 50), 23)
    assert log_borders(raw_redis, store) == [(start, start + 4) for start in range(20, 55, 5)]
    await store.apply(ONE, 59, same(5, 55), 55)
    assert log_borders(raw_redis, store) == [(55, 59)]


def log_borders(raw: redis.Redis, store: Store) -> list[tuple[int, int]]:
    """First and last offset of each entry of the log."""
    entries = raw.lrange(log(store.namespace, ONE), 0, -1)
    return [(int(entries[at]), int(entries[at + 1])) for at in range(0, len(entries), 4)]


async def test_what_is_forgotten_is_refused_with_what_to_do(store: Store) -> None:
    """Offsets that were committed and come again are an error that names partition, offsets, fence and remedy."""
    await store.apply(ONE, 4, same(5), 0)
    await store.apply(ONE, 9, same(5, 5), 5)
    with pytest.raises(ForgottenError) as caught:
        await store.apply(ONE, 9, same(8, 2), 5)
    message = str(caught.value)
    assert "impressions/0" in message
    assert "2..4" in message
    assert "offset 10" in message
    assert "STORE_NAMESPACE" in message
    assert await store.peek(("i1", None, None), HOUR) == (10, 10, 0, 0, 0, 0)


# ------------------------------------------------------------------------------------------ counting


@pytest.mark.parametrize("before", [126, 127, 16382, 16383, 2**21 - 2, 2**21 - 1, 2**28 - 3])
async def test_counts_carry_from_digit_to_digit(store: Store, raw_redis: redis.Redis, before: int) -> None:
    """A tile goes on counting beyond 127, 16,383 and 2,097,151."""
    for number in (HOUR // 24 - 1, HOUR // 24):
        tiles = {"i1": {number * 24 + hour: before for hour in (3, HOUR % 24)}}
        raw_redis.hset(day(store.namespace, number), "i1", str(fakes.packed(tiles, "i1", number)))
    answers = await store.apply(ONE, 1, same(2), 0)
    in_day = 2 * before  # 03h and 23h of this day; those of the day before are too old
    assert [answer.counts[:2] for answer in answers] == [(before, in_day), (before + 1, in_day + 1)]
    assert (await store.peek(("i1", None, None), HOUR))[:2] == (before + 2, in_day + 2)


async def test_an_entity_may_have_all_impressions(store: Store) -> None:
    """20,000 impressions of one address in one hour are counted one by one, in batches of 5,000."""
    for start in range(0, 20_000, 5_000):
        answers = await store.apply(ONE, start + 4_999, same(5_000, start), start)
        assert [answer.counts[0] for answer in answers] == list(range(start, start + 5_000))


async def test_a_batch_may_have_more_keys_than_lua_takes_at_once(store: Store) -> None:
    """12,000 addresses in one batch, twice: Lua hands some 8,000 values to one call, the rest must follow."""
    many = [Observation(offset, HOUR, (f"i{offset % 12_000}", None, None)) for offset in range(24_000)]
    answers = await store.apply(ONE, 23_999, many, 0)
    assert [answer.counts[0] for answer in answers] == [0] * 12_000 + [1] * 12_000
    assert [answer.counts[0] for answer in await store.apply(OTHER, 11_999, many[:12_000], 0)] == [2] * 12_000


async def test_all_hours_of_a_day_have_tiles_of_their_own(store: Store) -> None:
    """One impression in each of 48 hours, then one more in each: hours do not mix and the day slides."""
    twice = [*range(HOUR - 47, HOUR + 1)] * 2
    observations = [Observation(offset, hour, ("i1", None, None)) for offset, hour in enumerate(twice)]
    answers = await store.apply(ONE, 95, observations, 0)
    assert [answer.counts[0] for answer in answers] == [0] * 48 + [1] * 48
    assert answers[47].counts[1] == 23
    assert answers[95].counts[1] == 47


async def test_nobody_is_not_counted(store: Store) -> None:
    """Observations whose keys are all None are answered with zeros."""
    nobody = [Observation(offset, HOUR, (None, None, None)) for offset in range(2)]
    assert [answer.counts for answer in await store.apply(ONE, 1, nobody, 0)] == [(0,) * 6] * 2
    assert [answer.counts for answer in await store.apply(ONE, 1, nobody, 0)] == [(0,) * 6] * 2


async def test_keys_of_any_text_are_counted_apart(store: Store) -> None:
    """Addresses with separators, braces, line ends, zero bytes and any script."""
    texts = ["i", "i ", "i\n", "i\0", "i{x}", "i'\"", "ié", "i𝒳", "i" + "x" * 64]
    observations = [Observation(offset, HOUR, (text, None, None)) for offset, text in enumerate(texts * 2)]
    answers = await store.apply(ONE, len(observations) - 1, observations, 0)
    assert [answer.counts[0] for answer in answers] == [0] * len(texts) + [1] * len(texts)


async def test_concurrent_batches_of_two_partitions_keep_counts_exact(store: Store) -> None:
    """Two workers count the same users at once; the batch numbers say in which order, and the counts agree with it."""
    sources = [Source("impressions", number) for number in range(4)]

    async def feed(source: Source) -> dict[tuple[int, int], tuple[Observation, Counted]]:
        found = {}
        for start in range(0, 200, 10):
            part = [Observation(offset, HOUR + offset % 5, keys_of(offset)) for offset in range(start, start + 10)]
            for observation, answer in zip(part, await store.apply(source, start + 9, part, start), strict=True):
                found[answer.batch, observation.offset] = observation, answer
        return found

    by_number = {number: one for found in await asyncio.gather(*map(feed, sources)) for number, one in found.items()}
    assert len(by_number) == 800
    assert {number for number, _ in by_number} == set(range(1, 81))
    state: State = {}
    for _, (observation, answer) in sorted(by_number.items()):
        assert answer.counts == observe(state, observation.keys, observation.hour)


async def test_the_same_batch_at_once_from_two_workers_is_counted_once(store: Store) -> None:
    """A worker that lost its partition and the one that got it hand over the same offsets: one answer for both."""
    answers = await asyncio.gather(*[store.apply(ONE, 9, same(10), 0) for _ in range(8)])
    assert all(answer == answers[0] for answer in answers)
    assert await store.peek(("i1", None, "u1"), HOUR) == (10, 10, 0, 0, 10, 10)


# ------------------------------------------------------------------------------------------ what Redis keeps


async def test_peek_is_what_apply_would_give_and_changes_nothing(store: Store, raw_redis: redis.Redis) -> None:
    """The read path sees the counts of the next impression, in each hour around the end of the month."""
    for offset in range(40):
        await store.apply(ONE, offset, [Observation(offset, HOUR - 20 + offset, keys_of(offset))], offset)
    for number, hour in enumerate(range(HOUR - 30, HOUR + 50)):
        before = contents(raw_redis, store)
        peeked = await store.peek(keys_of(number), hour)
        assert contents(raw_redis, store) == before
        (answer,) = await store.apply(OTHER, number, [Observation(number, hour, keys_of(number))], number)
        assert answer.counts == peeked


async def test_many_questions_get_what_each_gets_alone(store: Store) -> None:
    """Questions of one call, over many days and with shared and missing keys, are answered as if asked one by one."""
    for offset in range(60):
        await store.apply(ONE, offset, [Observation(offset, HOUR - 20 + offset, keys_of(offset))], offset)
    questions = [Question(keys_of(number), hour) for number in range(5) for hour in range(HOUR - 30, HOUR + 70, 7)]
    questions.append(Question((None, None, None), HOUR))
    alone = [await store.peek(*question) for question in questions]
    assert await store.peek_all(questions) == alone
    assert any(any(counts) for counts in alone)


async def test_all_keys_share_one_hash_tag(store: Store, raw_redis: redis.Redis) -> None:
    """Everything the store writes lies in one slot of a Redis Cluster, and nothing lies outside its namespace."""
    outside = {name for name in raw_redis.scan_iter(count=1000) if store.namespace.encode() not in name}
    await store.apply(ONE, 4, same(5), 0)
    await store.apply(OTHER, 4, same(5, hour=HOUR + 1), 0)
    names = list(contents(raw_redis, store))
    assert len(names) == 8  # batch number, run, two fences, two logs, two days
    assert len({key_slot(name) for name in names}) == 1
    everything = set(raw_redis.scan_iter(count=1000))
    assert {name for name in everything if store.namespace.encode() not in name} <= outside
    assert batch_number(store.namespace).encode() in names


async def test_days_expire_after_their_last_write(redis_url: str, raw_redis: redis.Redis) -> None:
    """A day's counts live as long as the settings say, from each write on; fences and logs stay."""
    async with opened(redis_url, store_ttl_hours=30) as store:
        await store.apply(ONE, 4, same(5), 0)
        today = day(store.namespace, HOUR // 24)
        assert 30 * 3600 - 60 < raw_redis.ttl(today) <= 30 * 3600
        raw_redis.expire(today, 100)
        await store.apply(ONE, 9, same(5, 5, hour=HOUR + 1), 0)
        assert raw_redis.ttl(today) <= 100  # read, not written
        await store.apply(ONE, 14, same(5, 10), 0)
        assert raw_redis.ttl(today) > 30 * 3600 - 60
        for name in contents(raw_redis, store):
            assert (raw_redis.ttl(name) > 0) == (b":day:" in name)


async def test_reading_makes_no_keys(store: Store, raw_redis: redis.Redis) -> None:
    """The day before is read and not created."""
    await store.apply(ONE, 0, same(1), 0)
    assert day(store.namespace, HOUR // 24 - 1).encode() not in contents(raw_redis, store)


async def test_namespaces_do_not_see_each_other(redis_url: str) -> None:
    """Two deployments on one Redis count apart."""
    async with opened(redis_url) as one, opened(redis_url) as other:
        await one.apply(ONE, 4, same(5), 0)
        assert [answer.counts[0] for answer in await other.apply(ONE, 4, same(5), 0)] == [0, 1, 2, 3, 4]


async def test_redis_may_forget_its_scripts(store: Store, raw_redis: redis.Redis) -> None:
    """After a restart or SCRIPT FLUSH counting goes on."""
    await store.apply(ONE, 0, same(1), 0)
    raw_redis.script_flush()
    assert [answer.counts[0] for answer in await store.apply(ONE, 1, same(1, 1), 0)] == [1]


async def test_a_redis_that_is_not_there_is_unavailable() -> None:
    """The error is one of those that pass by themselves."""
    settings = StoreSettings(redis_url="redis://127.0.0.1:1/0")
    client = connect(settings)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: regardless(applier(client, settings))(ONE, 0, same(1), 0),
        lambda: one(peeker(client, settings))(("i1", None, None), HOUR),
    ]
    for call in calls:
        with pytest.raises(redis.RedisError) as raised:
            await call()
        assert passes_by_itself(raised.value)
    await client.aclose()
