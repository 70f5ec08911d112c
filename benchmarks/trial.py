"""One trial: a contender's processes score the topic from its beginning; how fast, at what cost, and whether right.

The clock is the broker's: output topics stamp each record when it is appended, so neither a contender's start nor the
pace of a reader is in the figure. It runs from the first append to the last (of several processes: see `shared`), and
what was appended at its first instant is not counted.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import redis
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.contenders.options import Options, arguments
from benchmarks.cost import Cost, measured
from local import topics
from local.stack import Stack
from replay import consume
from replay.consume import Read

PARTITIONS = 4
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
PATIENCE = 60.0  # seconds for a contender to start, and for Redis to answer
_END_SECONDS = 20.0
_POLL = 0.05


class TrialError(RuntimeError):
    """A contender did not start or did not end well."""


class Place(msgspec.Struct, frozen=True):
    """Where trials run."""

    stack: Stack
    log: Path
    bundle: Path
    impressions: str  # the filled topic
    rows: int  # in it
    folder: Path  # of the contenders' logs


class Trial(msgspec.Struct, frozen=True):
    """What one trial gave."""

    contender: str
    workers: int
    events_per_second: float
    scores: int  # all that were written, before the measured stretch too
    seconds: float  # of the measured stretch
    cost: Cost
    score_bytes: float  # mean of key and value
    wrong: int  # scores that are not what they must be


Check = Callable[[Sequence[Read]], int]


def run(place: Place, contender: str, name: str, check: Check, *, workers: int = 1, longest: float = 10.0) -> Trial:
    """Run one trial.

    Args:
        place: where.
        contender: the module in `benchmarks.contenders`.
        name: of this trial: its group, its Redis prefix, its output topics.
        check: counts the wrong ones among the scores.
        workers: how many processes.
        longest: seconds after which a contender that is not done by then is stopped.

    Raises:
        TrialError: a process ended, or wrote nothing in a minute.
    """
    servers, scores = place.stack.bootstrap_servers, f"{name}-scores"
    outputs = (scores, f"{scores}-dead-letters")
    topics.create(servers, dict.fromkeys(outputs, PARTITIONS), APPEND_TIME)
    options = Options(servers, place.stack.redis_url, place.bundle, place.impressions, scores, name)
    with processes(contender, options, workers, place.folder / f"{name}.log") as started:
        count = written(servers, scores)
        wait_for(lambda: count() > 0, started)
        if workers > 1:
            wait_for(lambda: _is_shared(servers, name, workers), started)
        begun, cost_until_now = time.time(), measured(place.stack, started)
        while count() < place.rows and time.time() - begun < longest:
            _check_alive(started)
            time.sleep(_POLL)
        cost = cost_until_now()
    found = list(consume.records(servers, scores))
    topics.delete(servers, outputs)
    stretch = shared(found, int(begun * 1000)) if workers > 1 else (0, math.inf)
    rate, seconds = rate_of([record.timestamp for record in found], *stretch)
    return Trial(contender, workers, rate, len(found), seconds, cost, mean_bytes(found), check(found))


def shared(found: Iterable[Read], begun: int) -> tuple[int, int]:
    """From when scores of every partition come, `begun` or later, to when those of one end; in milliseconds.

    Then all processes have work all the time. Before it one may still be looking at what it was just given; after it
    one may have nothing left, because keys do not fall evenly.
    """
    stamps = dict[int, list[int]]()
    for record in found:
        if record.timestamp >= begun:
            stamps.setdefault(record.partition, []).append(record.timestamp)
    return max(map(min, stamps.values()), default=begun), min(map(max, stamps.values()), default=begun)


def rate_of(stamps: Sequence[int], since: float = 0, until: float = math.inf) -> tuple[float, float]:
    """Records a second and the seconds from the first stamp (milliseconds, `since` or later) to the last (`until`).

    What was appended at the first instant was worked on before it, so it is not counted.

    Raises:
        TrialError: there are no two instants.
    """
    later = sorted(stamp for stamp in stamps if since <= stamp <= until)
    seconds = (later[-1] - later[0]) / 1000 if later else 0.0
    if not seconds:
        raise TrialError(f"{len(later)} scores at one instant: too few rows to measure")
    return sum(stamp > later[0] for stamp in later) / seconds, seconds


def mean_bytes(records: Sequence[Read]) -> float:
    """Bytes of a record's key and value, on average."""
    return sum(len(record.key or b"") + len(record.value or b"") for record in records) / len(records)


def empty(stack: Stack) -> None:
    """Leave nothing in Redis, and no rewriting of its log under way."""
    with redis.Redis.from_url(stack.redis_url, socket_timeout=PATIENCE) as client:  # 10 million entities take seconds
        client.execute_command("FLUSHALL", "SYNC")  # memory that is freed by and by would blur what a fill takes
        client.bgrewriteaof()
        settle(client)


def settle(client: "redis.Redis") -> None:
    """Wait until Redis works on nothing by itself."""
    while any(client.info("persistence")[f"aof_rewrite_{what}"] for what in ("in_progress", "scheduled")):
        time.sleep(_POLL)


@contextmanager
def processes(contender: str, options: Options, number: int, log: Path) -> Iterator[list[psutil.Popen]]:
    """The contender's processes; SIGTERM at the end."""
    command = [sys.executable, "-m", f"benchmarks.contenders.{contender}", *arguments(options)]
    with log.open("wb") as file:
        started = [psutil.Popen(command, stdout=file, stderr=subprocess.STDOUT) for _ in range(number)]
        try:
            yield started
        finally:
            for process in started:
                with suppress(psutil.NoSuchProcess):  # it ended by itself, which is said already
                    process.terminate()
            _, left = psutil.wait_procs(started, _END_SECONDS)
            for process in left:  # a framework may hang at its end; what it wrote is written
                process.kill()
            codes = [process.wait() for process in started]
    if any(code not in {os.EX_OK, -signal.SIGTERM, -signal.SIGKILL} for code in codes):
        raise TrialError(f"{contender} ended with {codes}; see {log}")


def _check_alive(processes: Sequence[psutil.Popen]) -> None:
    if any(process.poll() is not None for process in processes):
        raise TrialError(f"{' '.join(processes[0].args[1:3])} ended by itself")


def wait_for(condition: Callable[[], bool], processes: Sequence[psutil.Popen]) -> None:
    """Wait until it holds.

    Raises:
        TrialError: a process ended, or it did not in a minute.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        _check_alive(processes)
        if time.monotonic() > deadline:
            raise TrialError(f"{' '.join(processes[0].args[1:3])} does nothing")
        time.sleep(_POLL)


def written(servers: str, topic: str) -> Callable[[], int]:
    """A function that asks how many records the topic holds, without reading them."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench-watermarks"})  # never joined

    def count() -> int:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        try:
            return sum(consumer.get_watermark_offsets(one, cached=False)[1] for one in partitions)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            return 0  # made so lately that the broker does not lead it yet

    return count


def _is_shared(servers: str, group: str, members: int) -> bool:
    """Whether the group is stable and each of its members has partitions."""
    client = AdminClient({"bootstrap.servers": servers})  # named: its answers do not come when it is gone
    asked = client.describe_consumer_groups([group])[group].result()
    owners = [member for member in asked.members if member.assignment and member.assignment.topic_partitions]
    return asked.state == ConsumerGroupState.STABLE and len(owners) == members
