"""Record batches for Faust: one fetched partition is one message.

Faust spends 80-250 us on each message, wherever it came from. So the records that one fetch returned for a partition
travel through it as a single message whose value is the list of records and whose offset is that of the last one; the
cost falls on the batch. Faust still owns what it is good at: group membership, flow control, commits, shutdown.
Registered as the transport `records://` in the entry-point group `faust.transports`.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar, Protocol, cast

import aiokafka.errors
from aiokafka.consumer import fetcher
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, ServiceT

ACK_TIMEOUT_GRACE = 5.0  # seconds beyond the producer's own request timeout before we give up waiting for its answer


class Record(Protocol):
    """A consumed record, as aiokafka parses it."""

    offset: int
    timestamp: int  # milliseconds since 1970
    key: bytes | None
    value: bytes | None


# key, value, timestamp in milliseconds, headers
Outgoing = tuple[bytes | None, bytes | None, int, list[tuple[str, bytes]]]


class RecordBatchSchema(Schema):  # type: ignore[misc]
    """Passes the list of records through: bytes are decoded by the agent, whose errors become dead letters."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A batch has no key of its own."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The list of records, untouched."""
        return message.value


class PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Gives records as they were parsed. A ConsumerRecord of each, with fields that nobody reads, doubles a fetch."""

    def _consumer_record(self, tp: TP, record: Record) -> Record:
        return record


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Has the broker gather records, for which Faust has no setting, and takes them as they are.

    A batch costs the worker 2 ms however small it is. If each fetch were answered with the first record that comes,
    5,000 impressions a second would be 350 batches, keep the worker busy, and wait for it longer than to be gathered.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = self.app.conf.consumer_max_fetch_size
        consumer._fetch_max_wait_ms = int(self.app.gather_seconds * 1000)
        fetcher.PartitionRecords = PartitionRecords  # of all consumers in this process; aiokafka has no hook for one
        return consumer


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Makes one message of the records of a partition, and commits by the last acked batch."""

    _n_acked: int  # batches, since the last commit
    on_drain: Callable[[], None] = staticmethod(lambda: None)  # called before waiting for what is at work

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[list[Record]]]:
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: [records] for tp, records in fetched.items() if records}

    def _to_message(self, tp: TP, record: list[Record]) -> ConsumerMessage:
        last = record[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,  # timestamp type: CreateTime
            (),
            None,
            record,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand over what is fetched, until told to stop.

        Faust's own makes four tasks a message, lest one that can not be handed over holds up a rebalance, and commits
        in between: the next fetch waits until the event loop has been round several times for each message. Ours are
        handed over at once: Faust's queue takes any number, and has no more of a full partition fetched instead; and
        `getmany` gives none while partitions change hands.
        """
        with self._ending_in_order():
            while not (self.should_stop or fetcher.should_stop):
                async for tp, message in self.getmany(timeout=1.0):
                    read = self._read_offset[tp]
                    if read is None or message.offset >= read:  # else it was fetched before a seek, and comes again
                        await self.callback(message)
                        self._read_offset[tp] = message.offset
                if self._n_acked >= self._commit_every and self._commit_fut is None:
                    self._n_acked = 0
                    self.add_future(self.commit())
                await asyncio.sleep(0)

    @contextmanager
    def _ending_in_order(self) -> Iterator[None]:
        """That the consumer was stopped is no error once the app ends."""
        try:
            yield
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.app.should_stop:
                raise

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """The offsets between two batches' last ones are records of the second, not a gap: nothing to note."""

    def _new_offset(self, tp: TP) -> int | None:
        """The offset after the newest acked batch.

        The agent acks the batches of a partition in order, one at a time, so all before the newest ack is done.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return cast(int, newest) + 1

    async def wait_empty(self) -> None:
        """Partitions are taken away, or the worker ends: what is at work is finished, what can not be is left."""
        self.on_drain()
        await super().wait_empty()

    def forget(self, message: Any) -> None:
        """The message will not be acked: it comes again, here or elsewhere."""
        self._unacked_messages.discard(message)

    async def committed(self, tp: TP) -> int:
        """The group's committed offset as the broker knows it, or 0."""
        thread = self._thread
        return await thread.call_thread(thread._ensure_consumer().committed, tp) or 0

    def committed_offset(self, tp: TP) -> int:
        """The offset that the broker has confirmed as committed in this session, or 0."""
        return self._committed_offset[tp] or 0


class Producer(driver.Producer):  # type: ignore[misc]
    """Sends many records to one partition as whole batches."""

    async def send_records(self, topic: str, partition: int, records: Sequence[Outgoing]) -> None:
        """Append the records to the partition, in order; returns when the broker has confirmed all of them.

        Raises:
            aiokafka.errors.KafkaError: the broker refused or did not answer; some of the records may be in the topic.
        """
        producer = self._ensure_producer()
        start, most = 0, len(records)
        while start < len(records):
            batch, taken = producer.create_batch(), 0
            for key, value, timestamp, headers in islice(records, start, start + most):
                if batch.append(key=key, value=value, timestamp=timestamp, headers=headers) is None:
                    break
                taken += 1
            if not taken:
                raise aiokafka.errors.MessageSizeTooLargeError(f"{topic}/{partition}: a record exceeds a batch")
            try:
                # One after the other: were a later one confirmed and this one not, the scores that are there would no
                # longer say that all before them is done.
                confirmation = await producer.send_batch(batch, topic, partition=partition)
                await asyncio.wait_for(confirmation, self.request_timeout + ACK_TIMEOUT_GRACE)
            except aiokafka.errors.MessageSizeTooLargeError:
                if taken == 1:
                    raise
                most = taken // 2  # the topic takes less than a broker's default; nothing of the batch is in it
            else:
                start += taken

    async def partitions_of(self, topic: str) -> int:
        """How many partitions the topic has."""
        return len(await self._ensure_producer().partitions_for(topic))


class Transport(driver.Transport):  # type: ignore[misc]
    """Kafka by aiokafka, with record batches."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer
