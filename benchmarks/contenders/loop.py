"""What a hand-written loop on confluent-kafka is made of."""

import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

COMMIT_SECONDS = 1.0
# What a good engineer sets under load: big fetches, big batches, a little linger, no compression on loopback.
_CONSUMER = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "fetch.min.bytes": 65_536,
    "fetch.wait.max.ms": 50,
    "max.partition.fetch.bytes": 4_194_304,
    "queued.min.messages": 100_000,
    "session.timeout.ms": 10_000,
}
_PRODUCER = {
    "acks": "all",
    "linger.ms": 20,
    "batch.size": 1_000_000,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 1_000_000,
    "partitioner": "murmur2_random",
}

Messages = Sequence[Message]
Out = tuple[bytes | None, bytes | None]  # key and value


def run(
    bootstrap: str,
    group: str,
    source: str,
    target: str,
    batch: int,
    answer: Callable[[Messages], Sequence[Out]],
) -> None:
    """Consume batches, produce what `answer` makes of them, commit once a second what is delivered; until SIGTERM."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **_CONSUMER})
    producer = Producer({"bootstrap.servers": bootstrap, **_PRODUCER})
    stopped = _on_sigterm()
    consumer.subscribe([source])
    committed = time.monotonic()
    while not stopped():
        messages = consumer.consume(batch, timeout=0.1)
        for key, value in answer([message for message in messages if _is_record(message)]):
            producer.produce(target, value, key)
        producer.poll(0)
        if time.monotonic() - committed > COMMIT_SECONDS:
            _commit(consumer, producer)
            committed = time.monotonic()
    _commit(consumer, producer)
    consumer.close()


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise RuntimeError(str(error))
    return error is None


def _commit(consumer: Any, producer: Any) -> None:
    """Offsets only after delivery."""
    producer.flush()
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._NO_OFFSET:  # nothing came since the last commit
            raise


def _on_sigterm() -> Callable[[], bool]:
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, receive)
    return lambda: bool(received)
