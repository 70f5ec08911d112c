"""Count a batch in Redis: one atomic call that counts it and returns the counts before it, exactly once."""

from collections.abc import Awaitable, Callable, Sequence

from store import batch, keyspace
from store.batch import Counted, Observation
from store.client import Client, script
from store.keyspace import Source
from store.settings import StoreSettings

Apply = Callable[[Source, int, Sequence[Observation], int], Awaitable[list[Counted]]]


class ForgottenError(RuntimeError):
    """Impressions that were counted before, and whose replies the log no longer holds."""


def applier(client: Client, settings: StoreSettings) -> Apply:
    """The function `apply(source, last, observations, committed)`.

    It counts the observations of one record batch, in order, where they were not counted before, and answers each
    with the counts before it; what was counted before is answered from the log, with the same bits. So it may be
    called again after any failure. `last` is the offset of the batch's last record (which may be no observation);
    replies of offsets before `committed` may be forgotten.

    Raises:
        ForgottenError: the offsets were counted and committed before.
        redis.exceptions.RedisError: see `store.client.UNAVAILABLE` for what passes by itself.
    """
    run = script(client, "apply.lua")
    namespace = settings.store_namespace
    ttl = settings.store_ttl_hours * 3600

    async def apply(source: Source, last: int, observations: Sequence[Observation], committed: int) -> list[Counted]:
        if not observations:
            return []
        first = observations[0].offset
        request = batch.request_of(first, observations)
        day_numbers = batch.days(request)
        keys = [
            keyspace.batch_number(namespace),
            keyspace.fence(namespace, source),
            keyspace.log(namespace, source),
            *(keyspace.day(namespace, day) for day in day_numbers),
        ]
        arguments = [first, last, batch.encode(request), ttl, committed, batch.WIDTH, *day_numbers]
        answer = await run(keys, arguments)
        if len(answer) == 1:
            return list(batch.answer(first, request, answer[0]).values())
        fence = int(answer[0])
        remembered = _from_log(answer[1:])
        before = [observation for observation in observations if observation.offset < fence]
        _check_remembered(source, before, remembered, fence)
        after = observations[len(before) :]
        return [remembered[observation.offset] for observation in before] + await apply(source, last, after, committed)

    return apply


def _from_log(entries: Sequence[bytes]) -> dict[int, Counted]:
    """Answers by offset, from the log's flat entries of first, last, request and reply."""
    answers: dict[int, Counted] = {}
    for at in range(0, len(entries), 4):
        first, _, request, reply = entries[at : at + 4]
        answers |= batch.answer(int(first), batch.decode_request(request), reply)
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
