"""The command that kills things under load and counts what is wrong afterwards."""

import asyncio
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import show
from cli.chaos_plan import APART, Fault, Step, plan
from cli.deployment import Deployment, Worker, end, start_worker
from cli.show import Broker, Json
from cli.stream import mixed

if TYPE_CHECKING:
    from features.windows import State
    from local.stack import Stack
    from replay.consume import Read
    from replay.log import Message

PARTITIONS = 6
PATIENCE = 120.0  # seconds without a score after which the run is over
SESSION_SECONDS = "3"
REVIVED_AFTER = 0.5  # seconds until a killed worker is started anew
PAUSED_WORKER, PAUSED_REDIS = 5.0, 2.0


def chaos(
    seed: Annotated[int, typer.Option(help="Of the plan and of the impressions.")] = 1,
    events: Annotated[int, typer.Option(min=1000, help="Impressions to produce.")] = 200_000,
    workers: Annotated[int, typer.Option(min=1, help="Workers that are kept alive.")] = 3,
    rate: Annotated[float, typer.Option(min=100, help="Impressions a second.")] = 3000.0,
    kills: Annotated[int, typer.Option(min=0, help="SIGKILLs of workers.")] = 20,
    redis_kills: Annotated[int, typer.Option(min=0, help="SIGKILLs of Redis, which loses its last second.")] = 2,
    broker_kills: Annotated[int, typer.Option(min=0, help="SIGKILLs of the broker (Apache Kafka only).")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of logs and bundle.")] = Path("out/chaos"),
    broker: Broker = "auto",
    as_json: Json = False,
) -> None:
    """Kill, pause and restart workers, Redis and broker under load by a seeded plan; then check everything.

    Exits with 1 if an impression is lost, a count is wrong, or a score is not what the batch path gives.

    Example: `ctr chaos --seed 7 --events 200000 --workers 3`
    """
    from local import stack, topics

    out.mkdir(parents=True, exist_ok=True)
    messages, bundle = _prepare(out, seed, events)
    with stack.running(broker=broker) as running:
        if running.broker.name.startswith("tansu"):
            broker_kills = 0  # it keeps everything in memory
        steps = plan(seed, events / rate, workers, kills, redis_kills, broker_kills)
        name = f"chaos-{seed}-{os.getpid()}"
        deployment = Deployment(name, running.bootstrap_servers, running.redis_url, bundle, out)
        topics.create(running.bootstrap_servers, dict.fromkeys(deployment.topics, PARTITIONS))
        with show.progress() as stage:
            scores = _run(running, deployment, steps, messages, workers, rate, stage("distinct scores", events))
        figures = _check(running, deployment, scores) | {
            "kills": sum(step.fault == Fault.KILL_WORKER for step in steps),
            "redis_kills": redis_kills,
            "broker_kills": broker_kills,
            "max_recovery_seconds": _longest_silence(scores),
            "broker": running.broker.name,
            "seed": seed,
        }
    show.result("Chaos", figures, as_json)
    if any(figures[name] for name in ("lost", "count_errors", "differing_duplicates", "parity_mismatches")):
        raise typer.Exit(1)


def _prepare(out: Path, seed: int, events: int) -> tuple[list["Message"], Path]:
    """Impressions with broken messages among them, and a bundle to score with."""
    from replay import log
    from trainer.fit import FitParameters
    from trainer.simulate import simulate
    from trainer.train import train

    simulate(out / "train.csv", None, rows=20_000, seed=0, hours=12)
    train(out / "train.csv", 14102110, out / "bundle", FitParameters(iterations=50))
    # Few users, so that partitions share them and a count that is wrong shows.
    simulate(out / "log.csv", None, rows=events, seed=seed, hours=30, audience=events / 40e6)
    return list(mixed(log.messages(out / "log.csv"), events // 100)), out / "bundle"


def _run(
    running: "Stack",
    deployment: Deployment,
    steps: list[Step],
    messages: list["Message"],
    workers: int,
    rate: float,
    progress: show.Advance,
) -> list["Read"]:
    """Produce, do the faults, wait for all scores; these."""
    from replay.produce import produce

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
    fleet.revive()
    reading.wait(_impressions(deployment))
    fleet.end()
    return reading.everything()


class _Fleet:
    """The workers: killed ones are started anew after a while."""

    def __init__(self, deployment: Deployment, number: int) -> None:
        self._deployment = deployment
        self._started = 0
        self.workers: dict[int, Worker] = {}
        for place in range(number):
            self.start(place)

    def start(self, place: int) -> None:
        """Start the worker of a place."""
        self._started += 1
        name = f"{self._deployment.name}-worker-{place}-{self._started}"
        self.workers[place] = start_worker(
            self._deployment, name, SESSION_TIMEOUT_SECONDS=SESSION_SECONDS, REDIS_TIMEOUT_SECONDS="1"
        )

    def kill(self, place: int) -> None:
        """SIGKILL it and start another one in its place after a while."""
        self.workers[place].process.kill()
        self.workers[place].process.wait()
        time.sleep(REVIVED_AFTER)
        self.start(place)

    def leave(self, place: int) -> None:
        """SIGTERM, for good."""
        end([self.workers.pop(place)])

    def revive(self) -> None:
        """Start those that ended by themselves, as a supervisor would."""
        for place, worker in list(self.workers.items()):
            if worker.process.poll() is not None:
                self.start(place)

    def end(self) -> None:
        """SIGTERM all."""
        end(list(self.workers.values()))


def _do(step: Step, running: "Stack", fleet: _Fleet) -> None:
    """Do one fault."""
    import signal

    fleet.revive()
    match step.fault:
        case Fault.KILL_WORKER:
            fleet.kill(step.worker)
        case Fault.PAUSE_WORKER:
            process = fleet.workers[step.worker].process
            process.send_signal(signal.SIGSTOP)
            time.sleep(PAUSED_WORKER)
            process.send_signal(signal.SIGCONT)
        case Fault.JOIN_WORKER:
            fleet.start(step.worker)
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

    def everything(self) -> list["Read"]:
        """All scores, those too that came after the last distinct one."""
        from replay.consume import records

        return list(records(self._deployment.bootstrap_servers, self._deployment.scores_topic))

    def _read(self) -> None:
        import msgspec

        from replay.consume import records

        servers, topic = self._deployment.bootstrap_servers, self._deployment.scores_topic
        for record in records(servers, topic, follow=True, idle_seconds=PATIENCE, stop=lambda: self._is_enough):
            score = msgspec.json.decode(record.value or b"")
            before = len(self._places)
            self._places.add((score["partition"], score["offset"]))
            self._progress(len(self._places) - before)


def _impressions(deployment: Deployment) -> int:
    """How many messages of the impressions topic are to be scored."""
    from replay.consume import records
    from schemas import impression
    from schemas.errors import DecodeError

    number = 0
    for record in records(deployment.bootstrap_servers, deployment.impressions_topic):
        try:
            impression.decode(record.value)
        except DecodeError:
            continue
        number += 1
    return number


def _check(running: "Stack", deployment: Deployment, scores: list["Read"]) -> dict[str, object]:
    from model.bundle import load
    from replay import counts
    from replay.consume import records
    from replay.verify import verify

    impressions, letters = (
        list(records(deployment.bootstrap_servers, topic))
        for topic in (deployment.impressions_topic, deployment.dead_letters_topic)
    )
    report = verify(load(deployment.bundle), impressions, scores, letters)
    return {
        "impressions": report.impressions,
        "distinct_scores": report.scores,
        "duplicate_scores": report.duplicates,
        "differing_duplicates": report.differing_duplicates,
        "dead_letters": report.dead_letters,
        "lost": report.lost + report.unexpected,
        "count_errors": counts.errors(impressions, asyncio.run(_state(running.redis_url, deployment.name))),
        "parity_mismatches": report.parity_mismatches,
    }


async def _state(redis_url: str, namespace: str) -> "State":
    from store.client import connect
    from store.dump import dump
    from store.settings import StoreSettings

    settings = StoreSettings(redis_url=redis_url, store_namespace=namespace)
    client = connect(settings)
    try:
        return await dump(client, settings)
    finally:
        await client.aclose()


def _longest_silence(scores: list["Read"]) -> float:
    """Seconds between two scores that follow each other in time, at the most."""
    import msgspec

    stamps = sorted({float(msgspec.json.decode(score.value or b"")["scored_at"]) for score in scores})
    return max((after - before for before, after in pairwise(stamps)), default=0.0)
