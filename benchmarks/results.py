"""What a run of the benchmarks gave: the figures that must show, and behind them every trial."""

import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from benchmarks.growth import Grown
from benchmarks.latency import Latency
from benchmarks.trial import Trial

PACKAGES = (
    *("faust-streaming", "aiokafka", "confluent-kafka", "quixstreams", "faststream"),
    *("redis", "hiredis", "catboost", "msgspec", "numpy"),
)


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    broker: str
    redis: str
    packages: dict[str, str]


class Details(msgspec.Struct, frozen=True):
    """All that was measured."""

    command: str
    machine: Machine
    seed: int
    rows: int
    partitions: int
    impression_bytes: float  # mean, key and value
    entities_per_impression: float
    trials: list[Trial]
    latencies: list[Latency]
    growth: list[Grown]


class Results(msgspec.Struct, frozen=True):
    """The figures; None where the part was left out. Ratios are ours over theirs, of medians of the same run.

    `ratio_10m_entities` is a median of pairs: see `growth_ratio`.
    Agent, sink and loop count by a Redis pipeline; in the ratios that end in `_lua`, in one Lua call a batch, as ours.
    """

    ours_events_per_second: float | None
    ratio_faust_plain: float | None
    ratio_quix: float | None  # the faster of its batching sink and its data frame
    ratio_confluent_loop: float | None
    ratio_limit: float | None
    two_workers_ratio: float | None
    p99_ms_1000: float | None
    p99_ms_5000: float | None
    p99_ms_20000: float | None
    redis_bytes_per_entity: float | None
    ratio_10m_entities: float | None
    parity_mismatches: int
    ratio_faust_lua: float | None
    ratio_quix_lua: float | None
    ratio_confluent_lua: float | None
    details: Details


def results(details: Details) -> Results:
    """The figures of what was measured."""
    rates = {name: _median(details.trials, name, 1) for name in {trial.contender for trial in details.trials}}
    ours = rates.get("ours")
    quix = max((rates[name] or 0.0 for name in ("quix_sink", "quix_dataframe") if name in rates), default=None)
    p99 = {latency.events_per_second: latency.p99 for latency in middle(details.latencies)}
    largest = max(details.growth, key=lambda grown: grown.entities, default=None)
    grown = [one.trial for one in details.growth]
    wrong = [trial.wrong for trial in (*details.trials, *grown) if trial.contender == "ours"]
    return Results(
        ours_events_per_second=ours,
        ratio_faust_plain=_ratio(ours, rates.get("faust_plain")),
        ratio_quix=_ratio(ours, quix),
        ratio_confluent_loop=_ratio(ours, rates.get("confluent_loop")),
        ratio_limit=_ratio(ours, rates.get("limit")),
        two_workers_ratio=_ratio(_median(details.trials, "ours", 2), ours),
        p99_ms_1000=p99.get(1000),
        p99_ms_5000=p99.get(5000),
        p99_ms_20000=p99.get(20_000),
        redis_bytes_per_entity=largest.redis_bytes / largest.entities if largest and largest.entities else None,
        ratio_10m_entities=growth_ratio(details.growth, 10_000_000),
        parity_mismatches=sum(wrong) + sum(one.parity_mismatches for one in details.latencies),
        ratio_faust_lua=_ratio(ours, rates.get("faust_lua")),
        ratio_quix_lua=_ratio(ours, rates.get("quix_lua")),
        ratio_confluent_lua=_ratio(ours, rates.get("confluent_lua")),
        details=details,
    )


def middle(latencies: Sequence[Latency]) -> list[Latency]:
    """Of each rate the trial whose p99 is the median."""
    by_rate: dict[int, list[Latency]] = {}
    for one in latencies:
        by_rate.setdefault(one.events_per_second, []).append(one)
    return [sorted(trials, key=lambda one: one.p99)[len(trials) // 2] for trials in by_rate.values()]


def rate_beside(growth: Sequence[Grown], entities: int) -> float | None:
    """The median rate of the trials beside this many entities."""
    rates = _rates_beside(growth, entities)
    return statistics.median(rates) if rates else None


def growth_ratio(growth: Sequence[Grown], entities: int) -> float | None:
    """The median of what each trial beside this many entities is to the one beside none that was run with it."""
    pairs = zip(_rates_beside(growth, entities), _rates_beside(growth, 0), strict=False)
    ratios = [beside_many / beside_none for beside_many, beside_none in pairs]
    return statistics.median(ratios) if ratios else None


def _rates_beside(growth: Sequence[Grown], entities: int) -> list[float]:
    return [grown.trial.events_per_second for grown in growth if grown.entities == entities]


def machine(broker: str, redis: str) -> Machine:
    """This machine, with the servers of the stack."""
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        broker=broker,
        redis=redis,
        packages={package: version(package) for package in PACKAGES},
    )


def save(path: Path, found: Results) -> None:
    """Write the results as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def saved(path: Path) -> Results:
    """The results in a file of `save`.

    Raises:
        OSError: there is no such file.
        msgspec.DecodeError: it was not written by `save`.
    """
    return msgspec.json.decode(path.read_bytes(), type=Results)


def _median(trials: Sequence[Trial], contender: str, workers: int) -> float | None:
    rates = [trial.events_per_second for trial in trials if (trial.contender, trial.workers) == (contender, workers)]
    return statistics.median(rates) if rates else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
