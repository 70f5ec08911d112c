"""The command that shows the whole system at work: train, stream through Kafka with two workers, verify, report."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import show
from cli.deployment import PATIENCE, Deployment, workers
from cli.show import Broker, Json
from cli.stream import latency, mixed

if TYPE_CHECKING:
    from replay.consume import Read
    from replay.labels import Labelled
    from replay.log import Message
    from replay.verify import Report

ROWS, HOURS = 300_000, 48  # of the simulated log
AVAZU_ROWS, AVAZU_HOURS = 40_428_967, 240
TEST_HOURS = 10  # at the log's end: not learnt from, judged on
WARM_UP_HOURS = 24  # replayed before them, so that counts are as warm as they were in training
BROKEN = 100
WORKERS, PARTITIONS = 2, 4
CALM = 5000  # messages at the end, sent at CALM_RATE, whose latency is measured
CALM_RATE = 1000.0


def demo(
    data: Annotated[Path | None, typer.Option(envvar="DATA", help="Click log; one is simulated if left out.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of what the demo writes.")] = Path("out/demo"),
    broker: Broker = "auto",
    as_json: Json = False,
) -> None:
    """Train on all but a log's last 10 hours; replay these, the day before and broken messages through Kafka; verify.

    Example: `ctr demo --data train.csv.gz`
    """
    from local import stack, topics
    from model.bundle import load
    from replay import consume
    from replay.labels import labelled
    from replay.verify import verify
    from trainer.train import train

    out.mkdir(parents=True, exist_ok=True)
    bundle = out / "bundle"
    with show.progress() as stage:
        log = data or _simulated(out, stage("simulate", ROWS))
        test_from = train(log, None, bundle, stage=stage, test_hours=TEST_HOURS).train_until
        messages = list(_messages(log, test_from))
        with stack.running(
            broker=broker,
            kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
            redis_url=os.environ.get("REDIS_URL"),
        ) as running:
            name = f"demo-{os.getpid()}-{int(time.time())}"
            deployment = Deployment(name, running.bootstrap_servers, running.redis_url, bundle, out)
            topics.create(running.bootstrap_servers, dict.fromkeys(deployment.topics, PARTITIONS))
            with workers(deployment, WORKERS):
                scores = _stream(deployment, messages, stage("score", len(messages) - BROKEN))
            impressions, rejected = (
                list(consume.records(running.bootstrap_servers, topic))
                for topic in (deployment.impressions_topic, deployment.dead_letters_topic)
            )
            versions = {"broker": running.broker.name, "redis_version": running.redis.version}
        report = verify(load(bundle), impressions, scores, rejected, stage("verify", len(scores)))
    quality = _quality(labelled(impressions, scores, test_from), out, None if data else out / "truth.csv")
    summary = _summary(report, scores) | quality | versions
    show.result(f"Demo: {log}", summary, as_json)
    _write(out / "summary.json", summary)
    if not report.ok:
        show.result("DIFFERENCES", {str(number): one for number, one in enumerate(report.differences)}, as_json)
        raise typer.Exit(1)


def _simulated(out: Path, progress: show.Advance) -> Path:
    from trainer.simulate import simulate

    log = out / "log.csv.gz"
    # As many impressions a user as in Avazu's whole log, so that counts say something in two days.
    audience = ROWS / AVAZU_ROWS * AVAZU_HOURS / HOURS
    simulate(log, out / "truth.csv", rows=ROWS, seed=0, hours=HOURS, audience=audience, progress=progress)
    return log


def _messages(log: Path, test_from: int) -> Iterator["Message"]:
    """The rows to replay with broken ones among them."""
    from replay import log as logs
    from schemas import hours

    return mixed(logs.messages(log, hours.from_index(hours.index(test_from) - WARM_UP_HOURS)), BROKEN)


def _stream(deployment: Deployment, messages: Sequence["Message"], progress: show.Advance) -> list["Read"]:
    """Produce while reading the scores; all of them, or those that came until patience ended."""
    from replay.consume import records
    from replay.produce import produce

    scores: list[Read] = []

    def read() -> None:
        following = records(deployment.bootstrap_servers, deployment.scores_topic, follow=True, idle_seconds=PATIENCE)
        for record in islice(following, len(messages) - BROKEN):
            scores.append(record)
            progress(1)

    reader = threading.Thread(target=read, name="scores")
    reader.start()
    calm = min(CALM, len(messages) // 2)
    servers, topic = deployment.bootstrap_servers, deployment.impressions_topic
    produce(servers, topic, messages[:-calm])
    while len(scores) < len(messages) - calm - BROKEN and reader.is_alive():
        time.sleep(0.05)  # the queue must be empty before latency means anything
    produce(servers, topic, messages[-calm:], CALM_RATE)
    reader.join()
    return scores


def _summary(report: "Report", scores: Sequence["Read"]) -> dict[str, object]:
    calm = min(CALM, report.impressions // 2)
    by_time = sorted(scores, key=lambda record: record.timestamp)
    rush, rest = by_time[:-calm], by_time[-calm:]
    seconds = (max(record.read_at for record in rush) - rush[0].timestamp) / 1000
    return {
        "impressions": report.impressions,
        "scores": report.scores,
        "dead_letters": report.dead_letters,
        "duplicates": report.duplicates,
        "lost": report.lost,
        "parity_compared": report.parity_compared,
        "parity_mismatches": report.parity_mismatches,
        "workers": WORKERS,
        "events_per_second": round(len(rush) / seconds),
        "latency_ms": latency(rest),
        "latency_at_events_per_second": CALM_RATE,
    }


def _quality(rows: Sequence["Labelled"], out: Path, truth: Path | None) -> dict[str, object]:
    """How good the streamed scores of the test hours are; draws the calibration plot.

    With the true probabilities of a simulated log, also the logloss that they have: the best that any model can reach.
    """
    import numpy as np

    from trainer import plots
    from trainer.quality import quality
    from trainer.truth import read_truth

    clicks = np.array([row.click for row in rows], dtype=np.int8)
    predictions = np.array([row.click_proba for row in rows])
    plots.calibration(clicks, predictions, "Streamed scores of the test hours", out / "calibration.png")
    found = quality(clicks, predictions)
    figures: dict[str, object] = {
        "test_impressions": found.impressions,
        "logloss": found.logloss,
        "normalized_entropy": found.normalized_entropy,
        "auc": found.auc,
        "calibration_ratio": found.calibration_ratio,
    }
    if truth:
        figures["logloss_of_truth"] = quality(clicks, read_truth(truth, [row.id for row in rows])).logloss
    return figures


def _write(path: Path, summary: dict[str, object]) -> None:
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
