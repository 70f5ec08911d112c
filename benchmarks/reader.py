"""The reader of the latency benchmark, in its own process: when each score could be read, and nothing else."""

import argparse
import gc
import time
from pathlib import Path

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.trial import PARTITIONS


def main() -> None:
    """Read `--number` scores, or until none came for `--idle` seconds; write stamps and times of reading to `--out`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--idle", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    gc.disable()  # its pauses would be taken for latency
    consumer = Consumer(
        {"bootstrap.servers": given.bootstrap, "group.id": f"read-{given.topic}", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(given.topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    np.save(given.out, read(consumer, given.number, given.idle))


def read(consumer: Consumer, number: int, idle: float) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """One row a score: the stamp of its impression and when it was read, in milliseconds since 1970."""
    found: list[tuple[float, float]] = []
    last = time.monotonic()
    while len(found) < number and time.monotonic() - last < idle:
        # consume() waits for all it is asked for, which would show as latency: so one by poll(), then what is there.
        first = consumer.poll(0.1)
        messages = [first, *consumer.consume(5000, timeout=0)] if first is not None else []
        now = time.time() * 1000
        found += [(message.timestamp()[1], now) for message in messages if message.error() is None]
        last = time.monotonic() if messages else last
    return np.array(found, dtype=np.float64).reshape(-1, 2)


if __name__ == "__main__":
    main()
