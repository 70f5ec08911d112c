"""The command that kills things under load and counts what is wrong afterwards."""

import asyncio
import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import show
from cli.chaos_plan import Fault, plan
from cli.deployment import Deployment
from cli.show import Broker, Json
from cli.stream import mixed

if TYPE_CHECKING:
    from features.windows import State
    from local.stack import Stack
    from replay.consume import Read
    from replay.log import Message

PARTITIONS = 6


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
    from cli.chaos_run import run
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
            scores = run(running, deployment, steps, messages, workers, rate, stage("distinct scores", events))
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
