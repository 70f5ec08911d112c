"""Count a batch in Redis: one atomic call that counts it and returns the counts before it, exactly once."""

from collections.abc import Awaitable, Iterator, Sequence
from typing import Protocol, cast

from features.windows import days_of
from store import batch, keyspace
from store.batch import Counted, Observation
from store.client import Call, Client, script, scripts
from store.gather import gathered
from store.keyspace import Source
from store.settings import StoreSettings


class Apply(Protocol):
    """Counts the observations of a record batch; see `applier`."""

    def __call__(
        self,
        source: Source,
        last: int,
        observations: Sequence[Observation],
        committed: int,
        partitions: int,
        first: int | None = None,
    ) -> Awaitable[list[Counted]]:
        """The counts before each observation."""


_SCRIPT = "apply.lua"
_REQUEST = 2  # its place in ARGV
_LARGE = 20_000  # bytes of a request: some 400 impressions

MAX_DAYS = 8  # in one call; windows of 24 hours need two for an impression


class ForgottenError(RuntimeError):
    """Impressions that were counted before, and whose replies the log no longer holds."""


class ClosedError(RuntimeError):
    """Redis was restarted, replaced or emptied, and what it may have lost is not yet made good in every partition."""


def applier(client: Client, settings: StoreSettings, gather_seconds: float = 0.0) -> Apply:
    """The function `apply(source, last, observations, committed, partitions, first)`.

    It counts the observations of one record batch, in order, where they were not counted before, and answers each
    with the counts before it; what was counted before is answered from the log, with the same bits. So it may be
    called again after any failure. `first` and `last` are the offsets of the batch's first and last records, which may
    be no observations: what lies before the log's first batch is taken for done (see `store.whole.Known.forgotten`).
    Replies of offsets before `committed` may be forgotten. `partitions` is how many of the topic must be whole (see
    `store.whole`); 0 counts regardless, which is for making them so.

    Args:
        client: of the store.
        settings: of the store.
        gather_seconds: how long a small batch waits for those of other sources, to share a round trip with them. Each
            is still counted by itself, or fails by itself.

    Raises (when awaited):
        ClosedError: fewer partitions are whole.
        ForgottenError: the offsets were counted and committed before.
        redis.exceptions.RedisError: see `store.client.passes_by_itself`.
    """
    run = script(client, _SCRIPT)
    if gather_seconds:
        run = gathered(scripts(client, _SCRIPT), _request_bytes, _LARGE, gather_seconds)
    namespace = settings.store_namespace
    ttl = settings.store_ttl_hours * 3600

    async def apply(
        source: Source,
        last: int,
        observations: Sequence[Observation],
        committed: int,
        partitions: int,
        first: int | None = None,
    ) -> list[Counted]:
        counted: list[Counted] = []
        for part, part_last in _parts(observations, last):
            counted += await apply_part(source, first, part_last, part, committed, partitions)
            first = part_last + 1
        return counted

    async def apply_part(
        source: Source,
        begin: int | None,
        last: int,
        observations: Sequence[Observation],
        committed: int,
        partitions: int,
    ) -> list[Counted]:
        if not observations:
            return []
        first = observations[0].offset if begin is None else begin
        request = batch.request_of(first, observations)
        day_numbers = batch.days(request)
        keys = [
            keyspace.batch_number(namespace),
            keyspace.fence(namespace, source),
            keyspace.log(namespace, source),
            keyspace.run(namespace),
            keyspace.whole(namespace, source.topic),
            *(keyspace.day(namespace, day) for day in day_numbers),
        ]
        arguments = [first, last, batch.encode(request), ttl, committed, batch.WIDTH, partitions, *day_numbers]
        outcome, *answer = await run((keys, arguments))
        if outcome == b"closed":
            raise ClosedError(f"{source.topic}: not all of its {partitions} partitions are whole yet")
        if outcome == b"counted":
            return batch.answer(request, answer[0])
        fence = int(answer[0])
        remembered = _from_log(answer[1:])
        before = [observation for observation in observations if observation.offset < fence]
        _check_remembered(source, before, remembered, fence)
        after = await apply_part(source, max(first, fence), last, observations[len(before) :], committed, partitions)
        return [remembered[one.offset] for one in before] + after

    return apply


def _request_bytes(call: Call) -> int:
    return len(cast(bytes, call[1][_REQUEST]))


def _parts(observations: Sequence[Observation], last: int) -> Iterator[tuple[Sequence[Observation], int]]:
    """The observations in stretches of at most MAX_DAYS days, each with the offset at which it ends.

    The Lua call reads every key of its batch for every day of it, and Redis does nothing else meanwhile: a batch
    whose impressions are scattered over years must not be one call.
    """
    # Nearly every batch: its few hours are looked at, not each impression.
    if len({day for hour in {one.hour for one in observations} for day in days_of(hour)}) <= MAX_DAYS:
        yield observations, last
        return
    start = 0
    seen: set[int] = set()
    for position, observation in enumerate(observations):
        needed = seen.union(days_of(observation.hour))
        if len(needed) > MAX_DAYS and position > start:
            yield observations[start:position], observation.offset - 1
            start, needed = position, set(days_of(observation.hour))
        seen = needed
    yield observations[start:], last


def _from_log(entries: Sequence[bytes]) -> dict[int, Counted]:
    """Answers by offset, from the log's flat entries of first, last, request and reply."""
    answers: dict[int, Counted] = {}
    for at in range(0, len(entries), 4):
        first, _, payload, reply = entries[at : at + 4]
        request = batch.decode_request(payload)
        answers |= zip(batch.offsets(int(first), request), batch.answer(request, reply), strict=True)
    return answers


def _check_remembered(
    source: Source, before: Sequence[Observation], remembered: dict[int, Counted], fence: int
) -> None:
    forgotten = [observation.offset for observation in before if observation.offset not in remembered]
    if forgotten:
        raise ForgottenError(
            f"{source.topic}/{source.partition}: offsets {forgotten[0]}..{forgotten[-1]} were counted before and their "
            "replies are no longer kept. Was the consumer group reset, or the topic made anew? Set the group to offset "
            f"{fence}, or start with an empty STORE_NAMESPACE."
        )
