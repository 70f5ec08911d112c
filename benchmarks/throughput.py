"""How many impressions a second one worker scores, with Redis, broker and model on this machine.

    make bench

For each run a fresh topic is filled with simulated impressions, then one worker is started and the time from its first
to its last score is taken; every score is verified on the batch path afterwards. Median of RUNS.
"""

import os
import platform
import statistics
import sys
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import msgspec

from cli import show
from cli.deployment import Deployment, workers
from local import stack, topics
from local.stack import Stack
from model.bundle import load
from replay import consume, log
from replay.consume import Read
from replay.log import Message
from replay.produce import produce
from replay.verify import verify
from trainer.simulate import simulate
from trainer.train import train

OUT = Path("out/bench")
EVENTS, RUNS, PARTITIONS = 200_000, 3, 4
TRAIN_ROWS, HOURS = 200_000, 24
TRAIN_UNTIL = 14102112  # about half of the simulated day is learnt from
PACKAGES = ("faust-streaming", "aiokafka", "catboost", "redis", "msgspec", "numpy")


def main() -> None:
    """Run, print a table, write results.json; exit 1 when a score is wrong."""
    OUT.mkdir(parents=True, exist_ok=True)
    messages = _messages()
    with stack.running(
        broker=os.environ.get("BROKER", "auto"),  # type: ignore[arg-type]  # stack refuses other names
        kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        redis_url=os.environ.get("REDIS_URL"),
    ) as running:
        runs = [_run(running, number, messages) for number in range(1, RUNS + 1)]
        servers = f"{running.broker.name}, {running.redis.name}"
    rates = [rate for rate, _ in runs]
    mismatches = sum(wrong for _, wrong in runs)
    results = {
        "ours_events_per_second": round(statistics.median(rates)),
        "runs": [round(rate) for rate in rates],
        "parity_mismatches": mismatches,
        "events": EVENTS,
        "partitions": PARTITIONS,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "servers": servers,
        "versions": {package: version(package) for package in PACKAGES},
        "command": "make bench",
    }
    (OUT / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    show.result("Throughput of one worker", results, as_json=False)
    sys.exit(mismatches > 0)


def _messages() -> list[Message]:
    """Train a bundle on a simulated log; the messages of EVENTS further rows of it."""
    path = OUT / "log.csv"
    simulate(path, None, rows=TRAIN_ROWS + EVENTS, seed=1, hours=HOURS)
    train(path, TRAIN_UNTIL, OUT / "bundle")
    return list(islice(log.messages(path), TRAIN_ROWS, None))


def _run(running: Stack, number: int, messages: list[Message]) -> tuple[float, int]:
    """Events a second of one run, and how many of its scores are wrong."""
    name, servers = f"bench-{os.getpid()}-{number}", running.bootstrap_servers
    deployment = Deployment(name, servers, running.redis_url, OUT / "bundle", OUT)
    topics.create(servers, dict.fromkeys(deployment.topics, PARTITIONS))
    produce(servers, deployment.impressions_topic, messages)
    with workers(deployment, 1):
        following = consume.records(servers, deployment.scores_topic, follow=True, idle_seconds=60)
        scores = list(islice(following, len(messages)))
    rate = _rate(scores)
    impressions = list(consume.records(servers, deployment.impressions_topic))
    report = verify(load(deployment.bundle), impressions, scores, [])
    sys.stderr.write(f"run {number}: {rate:,.0f} events/s, {report.parity_mismatches} mismatches\n")
    return rate, report.parity_mismatches + report.lost


def _rate(scores: list[Read]) -> float:
    """Scores a second by `scored_at`: the worker's clock, which the reader's own pace does not blur."""
    stamps = sorted(msgspec.json.decode(score.value or b"")["scored_at"] for score in scores)
    first = sum(stamp == stamps[0] for stamp in stamps)  # the first batch was scored before its own stamp
    return float((len(stamps) - first) / (stamps[-1] - stamps[0]))


if __name__ == "__main__":
    main()
