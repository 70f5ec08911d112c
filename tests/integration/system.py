"""The system under test as processes: topics of its own, real workers, what came out of them."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

import httpx
from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from cli.deployment import Deployment, start_worker
from local import topics
from local.stack import Stack
from model.bundle import load
from replay import consume, produce
from replay.consume import Read
from replay.log import Message
from replay.verify import Report, verify

PATIENCE = 60.0  # seconds without progress after which a test gives up
PARTITIONS = 4


@dataclass(frozen=True)
class System:
    """A deployment of a test's own on the shared stack."""

    stack: Stack
    deployment: Deployment

    @property
    def impressions_topic(self) -> str:
        """Where impressions are produced to."""
        return self.deployment.impressions_topic

    @property
    def scores_topic(self) -> str:
        """Where scores are read from."""
        return self.deployment.scores_topic

    @property
    def dead_letters_topic(self) -> str:
        """Where rejected messages are read from."""
        return self.deployment.dead_letters_topic

    def produce(self, messages: Iterable[Message], rate: float | None = None) -> int:
        """Send messages to the impressions topic."""
        return produce.produce(self.stack.bootstrap_servers, self.impressions_topic, messages, rate)

    def scores(self, expected: int) -> list[Read]:
        """The first `expected` scores, or those that came before patience ended."""
        following = consume.records(self.stack.bootstrap_servers, self.scores_topic, follow=True, idle_seconds=PATIENCE)
        return list(islice(following, expected))

    def everything(self, topic: str) -> list[Read]:
        """All records of a topic as it is now."""
        return list(consume.records(self.stack.bootstrap_servers, topic))

    def distinct_scores(self, expected: int) -> list[Read]:
        """All scores up to the `expected`-th distinct one; workers that were killed leave duplicates."""
        following = consume.records(self.stack.bootstrap_servers, self.scores_topic, follow=True, idle_seconds=PATIENCE)
        places: set[tuple[int, int]] = set()
        found: list[Read] = []
        while len(places) < expected and (record := next(following, None)):
            score = json.loads(record.value or b"")
            places.add((score["partition"], score["offset"]))
            found.append(record)
        following.close()
        return found

    def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again."""
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        for deleted in admin.delete_topics([topic]).values():
            deleted.result()
        eventually(lambda: topic not in admin.list_topics(timeout=10).topics)
        topics.create(self.stack.bootstrap_servers, {topic: PARTITIONS})

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions and wait until all have a leader."""
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        for added in admin.create_partitions([NewPartitions(topic, total)]).values():
            added.result()
        eventually(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == total)

    def verify(self, scores: Sequence[Read]) -> Report:
        """Hold the scores against the batch path."""
        return verify(
            load(self.deployment.bundle),
            self.everything(self.impressions_topic),
            scores,
            self.everything(self.dead_letters_topic),
        )


def deploy(
    stack: Stack,
    bundle: Path,
    folder: Path,
    create: Callable[[str, Mapping[str, int]], None] = topics.create,
) -> System:
    """A deployment with its topics made by `create`; `folder` gets the workers' logs."""
    deployment = Deployment(f"test-{uuid4().hex[:8]}", stack.bootstrap_servers, stack.redis_url, bundle, folder)
    create(stack.bootstrap_servers, dict.fromkeys(deployment.topics, PARTITIONS))
    return System(stack, deployment)


def create_on_two(bootstrap_servers: str, partitions: Mapping[str, int]) -> None:
    """Create topics with two replicas each, whose partitions are led by the two brokers in turns."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for name, count in partitions.items():
        spread = [[1, 2], [2, 1]] * (count // 2)
        for made in admin.create_topics([NewTopic(name, num_partitions=count, replica_assignment=spread)]).values():
            made.result()
    eventually(lambda: all(_is_led(admin, name) for name in partitions))


def lead_by_first_replica(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Give the partitions back to the brokers that led them first, as soon as these have caught up."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def are_back() -> bool:
        found = [admin.list_topics(name, timeout=10).topics[name].partitions for name in names]
        moved = [
            TopicPartition(name, number)
            for name, partitions in zip(names, found, strict=True)
            for number, partition in partitions.items()
            if partition.leader != partition.replicas[0]
        ]
        if moved:
            admin.elect_leaders(ElectionType.PREFERRED, moved).result()
        return not moved

    eventually(are_back)


def _is_led(admin: AdminClient, name: str) -> bool:
    partitions = admin.list_topics(name, timeout=10).topics[name].partitions.values()
    return all(len(partition.isrs) == 2 and partition.leader > 0 for partition in partitions)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fail when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "patience ended"
        time.sleep(0.02)


@dataclass(frozen=True)
class Worker:
    """A worker process and what it says."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_until_assigned(self) -> None:
        """Until it has been given partitions."""
        self.wait_until_said("assigned: ")

    def wait_until_said(self, words: str) -> None:
        """Until its log holds these words."""

        def has_said() -> bool:
            assert self.process.poll() is None, self.said()
            return words in self.said()

        eventually(has_said)

    def assigned(self) -> set[str]:
        """The partitions that it was given last, as topic/partition."""
        last = self.said().rsplit("assigned: ", 1)[-1]
        return {partition.strip() for partition in last.splitlines()[0].split(",")}

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8")

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Whether it says that it is ready, and what it waits for."""
        found = httpx.get(f"{self.address()}/health/ready", timeout=PATIENCE).json()
        return found["ready"], found["waiting_for"]

    def metric(self, sample: str) -> float:
        """A sample of its metrics, all label values added up."""
        families = list(text_string_to_metric_families(httpx.get(f"{self.address()}/metrics", timeout=PATIENCE).text))
        return sum(found.value for family in families for found in family.samples if found.name == sample)

    def address(self) -> str:
        """Where it answers who watches it."""
        self.wait_until_said("metrics and health: ")
        return self.said().split("metrics and health: ", 1)[1].split()[0]

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def worker(system: System, *command: str, **settings: str) -> Iterator[Worker]:
    """A worker process, `ctr worker` or another Python command; killed when the block ends, if it still lives."""
    started = start_worker(
        system.deployment,
        uuid4().hex[:8],
        command or ("-m", "cli", "worker"),
        **{"SESSION_TIMEOUT_SECONDS": "3", "REDIS_TIMEOUT_SECONDS": "1"} | settings,
    )
    try:
        yield Worker(started.process, started.log)
    finally:
        started.process.kill()
        started.process.wait()
