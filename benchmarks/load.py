"""The load generator of the latency benchmark, in its own process: open loop, each message stamped with its due time.

It never waits for an answer. A message that is handed over late, because the generator or the broker was held up, still
carries the time at which it was due: so a stall counts for all who would have come meanwhile (no coordinated omission).
"""

import argparse
import gc
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from confluent_kafka import Producer

from replay import log
from replay.log import Message

_TICK = 0.001  # seconds


def main() -> None:
    """Send the log's last `--number` rows, `--rate` a second; from its beginning again where it is too short."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--number", type=int, required=True)
    given = parser.parse_args()
    rows = deque(log.messages(given.log), maxlen=given.number)
    gc.disable()  # the worker's latency is wanted, not that of a collection in here
    send(given.bootstrap, given.topic, islice(cycle(rows), given.number), given.rate)


def send(bootstrap: str, topic: str, messages: Iterator[Message], rate: int) -> None:
    """Hand each message over when it is due, or as soon after as can be."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "acks": 1,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    begun = time.time()
    for number, message in enumerate(messages):
        due = begun + number / rate
        while time.time() < due:
            producer.poll(0)
            time.sleep(_TICK)
        producer.produce(topic, message.value, message.key, timestamp=int(due * 1000))
    producer.flush()


if __name__ == "__main__":
    main()
