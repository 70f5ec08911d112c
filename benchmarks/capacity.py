"""What a load needs, computed from measured coefficients.

python -m benchmarks.capacity out/bench/results.json docs/capacity.md

rewrites the tables of the page, between its two markers.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.results import Results, saved
from benchmarks.trial import Trial

RATES = (10_000, 100_000, 1_000_000)  # impressions a second
HEADROOM = 0.6  # of what was measured is planned with: peaks, a worker that is gone, catching up
REDIS_FULL = 0.7  # of one core: a single thread counts, and waiting grows steeply beyond this
TTL_DAYS = 3  # a day's tiles live until 48 h after its last write: today, yesterday and the day before
RETENTION_DAYS = 2  # of the impressions topic: what a Redis that comes back empty is filled from
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Coefficients(msgspec.Struct, frozen=True):
    """What one impression costs."""

    worker_rate: float  # scored a second by one worker that has what it needs
    worker_us: float  # processor time
    broker_us: float
    redis_us: float
    redis_bytes: float  # an entity
    entities: float  # new ones an impression, over a day
    impression_bytes: float
    score_bytes: float


class Need(msgspec.Struct, frozen=True):
    """What a load needs."""

    rate: int
    workers: int
    partitions: int
    redis_cores: float
    redis_shards: int
    redis_gib: float
    broker_cores: float
    broker_mb_in: float  # a second, impressions and scores, one replica
    disk_gib: float  # of RETENTION_DAYS of impressions, one replica


def coefficients(found: Results) -> Coefficients:
    """The coefficients of a run.

    Raises:
        ValueError: the run left out the parts they come from.
    """
    ours = [trial for trial in found.details.trials if (trial.contender, trial.workers) == ("ours", 1)]
    if not ours or found.redis_bytes_per_entity is None or found.ours_events_per_second is None:
        raise ValueError("the run must hold ours and growth; run `ctr bench` without --only")
    return Coefficients(
        worker_rate=found.ours_events_per_second,
        worker_us=_microseconds(ours, [trial.cost.worker for trial in ours]),
        broker_us=_microseconds(ours, [trial.cost.broker or 0.0 for trial in ours]),
        redis_us=_microseconds(ours, [trial.cost.redis or 0.0 for trial in ours]),
        redis_bytes=found.redis_bytes_per_entity,
        entities=found.details.entities_per_impression,
        impression_bytes=found.details.impression_bytes,
        score_bytes=ours[0].score_bytes,
    )


def need(cost: Coefficients, rate: int) -> Need:
    """What a steady load of `rate` impressions a second needs."""
    workers = math.ceil(rate / (cost.worker_rate * HEADROOM))
    redis_cores = rate * cost.redis_us / 1e6
    a_day = rate * 86_400
    return Need(
        rate=rate,
        workers=workers,
        partitions=_round_up(2 * workers),
        redis_cores=redis_cores,
        redis_shards=math.ceil(redis_cores / REDIS_FULL),
        redis_gib=a_day * TTL_DAYS * cost.entities * cost.redis_bytes / 2**30,
        broker_cores=rate * cost.broker_us / 1e6,
        broker_mb_in=rate * (cost.impression_bytes + cost.score_bytes) / 1e6,
        disk_gib=a_day * RETENTION_DAYS * cost.impression_bytes / 2**30,
    )


def first_limit(cost: Coefficients) -> float:
    """Impressions a second at which the one Redis of today is full."""
    return REDIS_FULL * 1e6 / cost.redis_us


def tables(found: Results) -> str:
    """The measured part of the page."""
    cost, made_on = coefficients(found), found.details.machine
    needs = [need(cost, rate) for rate in RATES]
    rows = {
        "workers (one core each)": [f"{one.workers:,}" for one in needs],
        "partitions of `impressions`": [f"{one.partitions:,}" for one in needs],
        "Redis, cores busy": [f"{one.redis_cores:.2f}" for one in needs],
        f"Redis shards at {REDIS_FULL:.0%} of a core": [f"{one.redis_shards:,}" for one in needs],
        "Redis memory, all shards": [f"{one.redis_gib:,.0f} GiB" for one in needs],
        "broker, cores busy": [f"{one.broker_cores:.1f}" for one in needs],
        "broker, written a second (one replica)": [f"{one.broker_mb_in:,.0f} MB" for one in needs],
        f"disk for {RETENTION_DAYS} days of impressions (one replica)": [f"{one.disk_gib:,.0f} GiB" for one in needs],
    }
    measured = {
        "scored a second by one worker": f"{cost.worker_rate:,.0f}",
        "worker, processor time an impression": f"{cost.worker_us:.1f} us",
        "broker": f"{cost.broker_us:.1f} us",
        "Redis": f"{cost.redis_us:.1f} us",
        "Redis memory an entity (one to three tiles)": f"{cost.redis_bytes:.0f} bytes",
        "new entities an impression, over a day": f"{cost.entities:.2f}",
        "an impression, a score (key and value)": f"{cost.impression_bytes:.0f}, {cost.score_bytes:.0f} bytes",
    }
    return "\n".join(
        (
            f"Measured on {made_on.processor}, {made_on.cores} cores shared by worker, broker and Redis; Python "
            f"{made_on.python}, {made_on.broker}, {made_on.redis}; {found.details.rows:,} impressions, "
            f"{found.details.partitions} partitions; `{found.details.command}`.\n",
            *_table(("coefficient", "measured"), [[name, value] for name, value in measured.items()]),
            "",
            *_table(
                ("impressions a second", *(f"{rate:,}" for rate in RATES)), [[name, *v] for name, v in rows.items()]
            ),
            "",
            f"One Redis is full at {first_limit(cost):,.0f} impressions a second.",
        )
    )


def _microseconds(trials: Sequence[Trial], cores: Sequence[float]) -> float:
    """Processor time an impression."""
    return 1e6 * statistics.median(core / trial.events_per_second for core, trial in zip(cores, trials, strict=True))


def _round_up(number: int) -> int:
    """To a number of partitions that people choose: the next of 4, 6, 12, 24, 48, ... or, beyond 96, of 48s."""
    usual = (4, 6, 12, 24, 48, 96)
    return next((one for one in usual if one >= number), math.ceil(number / 48) * 48)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(row)} |" for row in (head, ruler, *rows)]


def main() -> None:
    """Rewrite the measured part of a page."""
    results, page = map(Path, sys.argv[1:])
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{page}: no place for the tables; expected {_BEGIN} ... {_END}")
    page.write_text(f"{before}{_BEGIN}\n{tables(saved(results))}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
