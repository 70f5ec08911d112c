"""From an impression's due time to its score being readable, under a steady load of one worker."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import numpy as np

from benchmarks.contenders.options import Options
from benchmarks.cost import Cost, measured
from benchmarks.trial import PARTITIONS, Place, TrialError, processes, wait_for, written
from local import topics
from model.bundle import load
from replay import consume
from replay.verify import verify

WARM_UP_SECONDS = 3.0  # sent and not judged: the first batches meet empty caches, and connections being made
_START_SECONDS = 5.0  # of the worker and the reader, before anything is sent
_IDLE_SECONDS = 15.0  # without a score: the reader gives up


class Latency(msgspec.Struct, frozen=True):
    """What one rate gave; milliseconds."""

    events_per_second: int
    p50: float
    p99: float
    p999: float
    worst: float
    judged: int  # scores
    lost: int  # messages that were sent and whose score was not read
    parity_mismatches: int
    cost: Cost  # from the first score until the last message was sent


def measure(place: Place, rate: int, seconds: float) -> Latency:
    """Run one rate on topics of its own.

    Raises:
        TrialError: the worker, the generator or the reader failed.
    """
    servers, name = place.stack.bootstrap_servers, f"latency-{rate}-{int(time.time())}"
    impressions, scores = f"{name}-impressions", f"{name}-scores"
    outputs = (impressions, scores, f"{scores}-dead-letters")
    topics.create(servers, dict.fromkeys(outputs, PARTITIONS))
    number, waits = int(rate * seconds), place.folder / f"{name}.npy"
    options = Options(servers, place.stack.redis_url, place.bundle, impressions, scores, name)
    reading = {"topic": scores, "number": number, "idle": _IDLE_SECONDS, "out": waits}
    sending = {"topic": impressions, "log": place.log, "rate": rate, "number": number}
    with (
        processes("ours", options, 1, place.folder / f"{name}.log") as started,
        _process("reader", bootstrap=servers, **reading) as reader,
    ):
        time.sleep(_START_SECONDS)
        with _process("load", bootstrap=servers, **sending) as generator:
            count = written(servers, scores)
            wait_for(lambda: count() > 0, started)
            cost_until_now = measured(place.stack, started)
            is_failed, cost = generator.wait(), cost_until_now()
            if is_failed or reader.wait():
                raise TrialError(f"latency at {rate}/s: generator or reader failed")
    stamps, read_at = np.load(waits).T
    waits.unlink()
    sent, found = (list(consume.records(servers, topic)) for topic in (impressions, scores))
    report = verify(load(place.bundle), sent, found, [])
    topics.delete(servers, outputs)
    took = (read_at - stamps)[stamps >= stamps.min() + WARM_UP_SECONDS * 1000]
    p50, p99, p999 = (float(np.percentile(took, q)) for q in (50, 99, 99.9))
    lost, mismatches = number - len(stamps), report.parity_mismatches
    return Latency(rate, p50, p99, p999, float(took.max()), len(took), lost, mismatches, cost)


@contextmanager
def _process(module: str, **arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
    """The generator or the reader, a process of its own: what it does must not wait for what others do."""
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{module}", *words])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
