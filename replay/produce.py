"""Send messages to a topic, at full speed or at a rate."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from replay.log import Message

CHUNK = 1000  # messages between two looks at the clock and the delivery reports


class ProduceError(RuntimeError):
    """The broker did not take all messages."""


def produce(
    bootstrap_servers: str,
    topic: str,
    messages: Iterable[Message],
    rate: float | None = None,
    progress: Callable[[int], None] = lambda messages: None,
    connection: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """Send the messages, keyed, and wait until the broker has confirmed all; the number sent.

    Each is stamped (Kafka's CreateTime) when it is handed over: what reads the scores measures latency from it.

    Args:
        bootstrap_servers: host:port, comma separated.
        topic: where to.
        messages: in the order of sending; equal keys keep it.
        rate: messages a second; None is as fast as the broker takes them.
        progress: told of the messages sent.
        connection: further settings of the client, as broker.clients.librdkafka gives them for TLS and login.

    Raises:
        ProduceError: the broker refused or did not confirm some.
    """
    failures: list[str] = []

    def on_delivery(error: KafkaError | None, _: Delivered) -> None:
        if error is not None:
            failures.append(str(error))

    producer = Producer(
        {
            **connection,
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",  # as Java's clients: all producers of a key agree on its partition
            "linger.ms": 5 if rate is None else 1,
            "enable.idempotence": False,  # Tansu has none; a log is replayed for tests and demos
            "message.timeout.ms": 60_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    pace = _pace(rate)
    chunk = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 200)))
    sent = 0
    for sent, message in enumerate(messages, start=1):
        _hand_over(producer, topic, message, on_delivery)
        if sent % chunk == 0:
            producer.poll(0)
            pace(sent)
            progress(chunk)
        if failures:
            break
    progress(sent % chunk)
    unconfirmed = producer.flush(90)
    if failures or unconfirmed:
        reason = failures[0] if failures else "no answer in 90 s"
        raise ProduceError(
            f"{topic} at {bootstrap_servers}: {len(failures) + unconfirmed} messages not taken: {reason}"
        )
    return sent


def _hand_over(producer: Producer, topic: str, message: Message, on_delivery: Callable[..., None]) -> None:
    while True:
        try:
            producer.produce(topic, message.value, message.key, on_delivery=on_delivery)
        except BufferError:  # the local queue is full: wait for deliveries
            producer.poll(0.1)
        except KafkaException as error:
            raise ProduceError(f"{topic}: {error}") from None
        else:
            return


def _pace(rate: float | None) -> Callable[[int], None]:
    """A function that sleeps until `sent` messages are due."""
    begun = time.monotonic()

    def pace(sent: int) -> None:
        if rate is not None:
            time.sleep(max(0.0, begun + sent / rate - time.monotonic()))

    return pace
