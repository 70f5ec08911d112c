"""Read records of a topic, all partitions, from the beginning."""

import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition


class Read(NamedTuple):
    """A record and when it was read."""

    partition: int
    offset: int
    timestamp: int  # milliseconds since 1970, the record's own
    read_at: int  # milliseconds since 1970
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class ConsumeError(RuntimeError):
    """The topic could not be read."""


def records(
    bootstrap_servers: str,
    topic: str,
    *,
    follow: bool = False,
    idle_seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    connection: Mapping[str, Any] = MappingProxyType({}),
) -> Generator[Read, None, None]:
    """The records of the topic; without a consumer group, so nothing is committed.

    Args:
        bootstrap_servers: host:port, comma separated.
        topic: where from.
        follow: wait for more records at the end of the topic instead of stopping there.
        idle_seconds: when following, stop after this long without a record; None is never.
        stop: asked now and then, also while nothing comes, whether it is enough.
        connection: further settings of the client, as broker.clients.librdkafka gives them for TLS and login.

    Raises:
        ConsumeError: the topic does not exist or the broker does not answer.
    """
    consumer = Consumer(
        {
            **connection,
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"ctr-read-{uuid4()}",  # required by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = _partitions(consumer, bootstrap_servers, topic)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        yield from _until_end(consumer, partitions, follow, idle_seconds, stop)
    finally:
        consumer.close()


def _partitions(consumer: Consumer, bootstrap_servers: str, topic: str) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=15).topics[topic]
    except KafkaException as error:
        raise ConsumeError(f"{bootstrap_servers}: {error}") from None
    if found.error is not None:
        raise ConsumeError(f"{topic} at {bootstrap_servers}: {found.error}")
    return sorted(found.partitions)


def _until_end(
    consumer: Consumer, partitions: list[int], follow: bool, idle_seconds: float | None, stop: Callable[[], bool]
) -> Generator[Read, None, None]:
    unfinished = set(partitions)
    last_read = time.monotonic()
    while (follow or unfinished) and not stop():
        # consume() waits for all it is asked for, which would show as latency: so one by poll(), then what is there.
        first = consumer.poll(0.1)
        messages = [first, *consumer.consume(2000, timeout=0)] if first is not None else []
        now = int(time.time() * 1000)
        for message in messages:
            error = message.error()
            if error is None:
                last_read = time.monotonic()
                _, timestamp = message.timestamp()
                yield Read(
                    message.partition(),
                    message.offset(),
                    timestamp,
                    now,
                    message.key(),
                    message.value(),
                    tuple(message.headers() or ()),
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition())
            else:
                raise ConsumeError(str(error))
        if follow and idle_seconds is not None and time.monotonic() - last_read > idle_seconds:
            return


_SCHEMA = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.int64()),
        ("read_at", pa.int64()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    ]
)


def save(path: Path, found: list[Read]) -> None:
    """Write records to a Parquet file: bytes as they are."""
    rows = [
        record._asdict() | {"headers": [{"name": name, "value": value} for name, value in record.headers]}
        for record in found
    ]
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), path)


def saved(path: Path) -> list[Read]:
    """The records in a file of `save`.

    Raises:
        ConsumeError: the file is missing or was not written by `save`.
    """
    try:
        rows = pq.read_table(path, schema=_SCHEMA).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise ConsumeError(f"{path}: {error}; expected a file written by `ctr consume --out`") from None
    return [
        Read(**{**row, "headers": tuple((header["name"], header["value"]) for header in row["headers"])})
        for row in rows
    ]


def is_saved(path: Path) -> bool:
    """Whether the Parquet file holds records that `save` wrote."""
    return bool(pq.read_schema(path).equals(_SCHEMA))
