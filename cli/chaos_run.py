"""A chaos run: the fleet of workers, the faults, the reading of what comes out."""

import signal
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from cli import show
from cli.chaos_plan import APART, Fault, Step
from cli.deployment import Deployment, Worker, end, start_worker
from replay.consume import Read, records
from replay.log import Message
from replay.produce import produce
from schemas import impression
from schemas.errors import DecodeError

if TYPE_CHECKING:
    from local.stack import Stack

PATIENCE = 120.0  # seconds without a score after which the run is over
SESSION_SECONDS = "3"
REVIVED_AFTER = 0.5  # seconds until a worker that ended is started anew, at the most
PAUSED_WORKER, PAUSED_REDIS = 5.0, 2.0


def run(
    running: "Stack",
    deployment: Deployment,
    steps: list[Step],
    messages: list[Message],
    workers: int,
    rate: float,
    progress: show.Advance,
) -> list[Read]:
    """Produce, do the faults, wait for all scores; these."""
    fleet = _Fleet(deployment, workers)
    reading = _Reading(deployment, progress)
    producing = threading.Thread(
        target=produce, args=(running.bootstrap_servers, deployment.impressions_topic, messages, rate), name="produce"
    )
    producing.start()
    begun = time.monotonic()
    last = {True: 0.0, False: 0.0}  # when Redis was killed last, and when anything else was done
    for step in steps:
        is_redis = step.fault == Fault.KILL_REDIS
        # Faults take their time and may be late: the distance that the plan keeps is kept.
        due = max(begun + step.at, last[not is_redis] + APART)
        time.sleep(max(0.0, due - time.monotonic()))
        _do(step, running, fleet)
        last[is_redis] = time.monotonic()
    producing.join()
    reading.wait(_impressions(deployment))
    fleet.end()
    return reading.everything()


class _Fleet:
    """The workers: one that ended, killed or by itself, is started anew after a while, as a supervisor would."""

    def __init__(self, deployment: Deployment, number: int) -> None:
        self._deployment = deployment
        self._started = 0
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self.workers: dict[int, Worker] = {}
        for place in range(number):
            self.start(place)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()

    def start(self, place: int) -> None:
        """Start the worker of a place."""
        self._started += 1
        name = f"{self._deployment.name}-worker-{place}-{self._started}"
        self.workers[place] = start_worker(
            self._deployment, name, SESSION_TIMEOUT_SECONDS=SESSION_SECONDS, REDIS_TIMEOUT_SECONDS="1"
        )

    def join(self, place: int) -> None:
        """One more worker."""
        with self._lock:
            self.start(place)

    def kill(self, place: int) -> None:
        """SIGKILL it, as soon as it lives."""
        while self.workers[place].process.poll() is not None:
            time.sleep(0.05)
        self.workers[place].process.kill()

    def leave(self, place: int) -> None:
        """SIGTERM, for good."""
        with self._lock:
            leaving = self.workers.pop(place)
        end([leaving])

    def end(self) -> None:
        """SIGTERM all."""
        self._is_over.set()
        self._supervisor.join()
        end(list(self.workers.values()))

    def _supervise(self) -> None:
        while not self._is_over.wait(REVIVED_AFTER):
            with self._lock:
                for place, worker in list(self.workers.items()):
                    if worker.process.poll() is not None:
                        self.start(place)


def _do(step: Step, running: "Stack", fleet: _Fleet) -> None:
    """Do one fault."""
    match step.fault:
        case Fault.KILL_WORKER:
            fleet.kill(step.worker)
        case Fault.PAUSE_WORKER:
            process = fleet.workers[step.worker].process
            process.send_signal(signal.SIGSTOP)
            time.sleep(PAUSED_WORKER)
            process.send_signal(signal.SIGCONT)
        case Fault.JOIN_WORKER:
            fleet.join(step.worker)
        case Fault.LEAVE_WORKER:
            fleet.leave(step.worker)
        case Fault.KILL_REDIS:
            running.redis.kill()
            running.redis.start()
        case Fault.PAUSE_REDIS:
            running.redis.pause()
            time.sleep(PAUSED_REDIS)
            running.redis.resume()
        case Fault.KILL_BROKER:
            running.broker.kill()
            running.broker.start()


class _Reading:
    """Reads the scores as they come, in a thread."""

    def __init__(self, deployment: Deployment, progress: show.Advance) -> None:
        self._deployment = deployment
        self._progress = progress
        self._places: set[tuple[int, int]] = set()
        self._is_enough = False
        self._thread = threading.Thread(target=self._read, name="scores")
        self._thread.start()

    def wait(self, distinct: int) -> None:
        """Until that many distinct scores are there, or none came for PATIENCE seconds."""
        while len(self._places) < distinct and self._thread.is_alive():
            time.sleep(0.1)
        self._is_enough = True
        self._thread.join()

    def everything(self) -> list[Read]:
        """All scores, those too that came after the last distinct one."""
        return list(records(self._deployment.bootstrap_servers, self._deployment.scores_topic))

    def _read(self) -> None:
        servers, topic = self._deployment.bootstrap_servers, self._deployment.scores_topic
        for record in records(servers, topic, follow=True, idle_seconds=PATIENCE, stop=lambda: self._is_enough):
            score = msgspec.json.decode(record.value or b"")
            before = len(self._places)
            self._places.add((score["partition"], score["offset"]))
            self._progress(len(self._places) - before)


def _impressions(deployment: Deployment) -> int:
    """How many messages of the impressions topic are to be scored."""
    number = 0
    for record in records(deployment.bootstrap_servers, deployment.impressions_topic):
        try:
            impression.decode(record.value)
        except DecodeError:
            continue
        number += 1
    return number
