"""A deployment of workers as processes beside an embedded stack: for the demo, chaos runs and benchmarks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0  # seconds for a worker to start or to end


class WorkersError(RuntimeError):
    """Workers did not start, or did not end well."""


@dataclass(frozen=True)
class Deployment:
    """Topics, group and namespace under a name of their own, so that runs on one stack do not meet."""

    name: str
    bootstrap_servers: str
    redis_url: str
    bundle: Path
    folder: Path  # of the workers' logs

    @property
    def impressions_topic(self) -> str:
        """Where impressions are produced to."""
        return f"{self.name}-impressions"

    @property
    def scores_topic(self) -> str:
        """Where scores are read from."""
        return f"{self.name}-scores"

    @property
    def dead_letters_topic(self) -> str:
        """Where rejected messages are read from."""
        return f"{self.name}-impressions-dead-letters"

    @property
    def topics(self) -> tuple[str, str, str]:
        """All three."""
        return self.impressions_topic, self.scores_topic, self.dead_letters_topic


@dataclass(frozen=True)
class Worker:
    """A worker process and its log."""

    process: "subprocess.Popen[bytes]"
    log: Path


def start_worker(
    deployment: Deployment, name: str, command: Sequence[str] = ("-m", "cli", "worker"), **settings: str
) -> Worker:
    """Start a worker by a command of this Python; `settings` are further environment variables."""
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": deployment.bootstrap_servers,
        "REDIS_URL": deployment.redis_url,
        "IMPRESSIONS_TOPIC": deployment.impressions_topic,
        "SCORES_TOPIC": deployment.scores_topic,
        "DEAD_LETTERS_TOPIC": deployment.dead_letters_topic,
        "CONSUMER_GROUP": deployment.name,
        "STORE_NAMESPACE": deployment.name,
        "BUNDLE": str(deployment.bundle),
        **settings,
    }
    log = deployment.folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, *command], env=environment, stdout=file, stderr=subprocess.STDOUT)
    return Worker(process, log)


@contextmanager
def workers(deployment: Deployment, number: int) -> Iterator[None]:
    """Workers with partitions assigned; SIGTERM at the end.

    Raises:
        WorkersError: one did not start, or did not end well.
    """
    started = [start_worker(deployment, f"worker-{position}") for position in range(1, number + 1)]
    try:
        _wait_until_assigned(started)
        yield
    finally:
        codes = end(started)
    if any(codes):
        raise WorkersError(f"workers ended with {codes}; see {_logs(started)}")


def end(started: Sequence[Worker]) -> list[int]:
    """Ask workers to end; their exit codes."""
    for worker in started:
        worker.process.send_signal(signal.SIGTERM)
    return [worker.process.wait(PATIENCE) for worker in started]


def _wait_until_assigned(started: Sequence[Worker]) -> None:
    """Each worker has said once that it was given partitions: the group is complete."""
    deadline = time.monotonic() + PATIENCE
    while not all(b"assigned: " in worker.log.read_bytes() for worker in started):
        if time.monotonic() > deadline or any(worker.process.poll() is not None for worker in started):
            raise WorkersError(f"workers do not start; see {_logs(started)}")
        time.sleep(0.05)


def _logs(started: Sequence[Worker]) -> str:
    return ", ".join(str(worker.log) for worker in started)
