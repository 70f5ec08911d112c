"""Whether Redis still holds all that was counted.

A restart with `appendfsync everysec` loses up to a second, a failover to a replica what was not replicated, a flush
everything. All of them show in Redis' run id, its replication id or in the keys being gone; from then on no partition
is *whole* and `apply` is closed. Whoever owns a partition makes its counts good from the topic and declares it whole;
when all are, `apply` is open again. So what is counted next, in any partition, finds the counts of all that was scored.
"""

from typing import NamedTuple

from store import keyspace
from store.client import Client, script
from store.keyspace import Source
from store.settings import StoreSettings


class Known(NamedTuple):
    """What Redis knows of a source."""

    run: str  # id of this run of Redis and of the history it replicates
    fence: int | None  # next offset to count; None where nothing was ever counted, or all was lost
    remembered: int | None  # first offset whose reply is kept; None where no reply is
    whole: frozenset[int]  # partitions of the topic that were declared whole in this run

    @property
    def forgotten(self) -> int:
        """The offset before which all is done: counted, committed once, and answered by no reply that is kept."""
        return (self.fence or 0) if self.remembered is None else self.remembered


class Whole:
    """Asks and declares whether partitions are whole."""

    def __init__(self, client: Client, settings: StoreSettings) -> None:
        self._client = client
        self._namespace = settings.store_namespace
        self._begin = script(client, "begin.lua")
        self._finish = script(client, "finish.lua")

    async def begin(self, source: Source) -> Known:
        """What Redis knows now.

        Raises:
            redis.exceptions.RedisError: see `store.client.passes_by_itself` for what passes by itself.
        """
        keys = [
            keyspace.run(self._namespace),
            keyspace.whole(self._namespace, source.topic),
            keyspace.fence(self._namespace, source),
            keyspace.log(self._namespace, source),
        ]
        run, fence, remembered, whole = await self._begin((keys, []))
        return Known(
            run.decode(),
            None if fence is None else int(fence),
            None if remembered is None else int(remembered),
            frozenset(map(int, whole)),
        )

    async def forget(self, source: Source) -> None:
        """Drop fence and log of a source whose topic was deleted and made anew; its counts stay.

        Raises:
            redis.exceptions.RedisError: as `begin`.
        """
        await self._client.delete(keyspace.fence(self._namespace, source), keyspace.log(self._namespace, source))

    async def begin_at(self, source: Source, offset: int) -> None:
        """Set the fence: all before this offset is counted, though not through `apply`.

        Raises:
            redis.exceptions.RedisError: as `begin`.
        """
        await self._client.set(keyspace.fence(self._namespace, source), offset)

    async def finish(self, source: Source, run: str, least_batch: int, least_fence: int) -> bool:
        """Declare the source whole; False when Redis is another one than at `begin`, so that it must be done again.

        Args:
            source: the partition.
            run: of `Known`.
            least_batch: the highest batch number among the scores of the source; numbers to come will be higher.
            least_fence: the offset before which all is counted.

        Raises:
            redis.exceptions.RedisError: as `begin`.
        """
        keys = [
            keyspace.run(self._namespace),
            keyspace.whole(self._namespace, source.topic),
            keyspace.batch_number(self._namespace),
            keyspace.fence(self._namespace, source),
        ]
        (done,) = await self._finish((keys, [run, source.partition, least_batch, least_fence]))
        return bool(done)
