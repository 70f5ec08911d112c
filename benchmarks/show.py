"""A run for people: tables and a plot."""

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.results import Details, Results, middle, rate_beside
from benchmarks.trial import Trial


def tables(found: Results) -> None:
    """Print what was measured."""
    details = found.details
    console = Console(width=None if sys.stdout.isatty() else 110)
    made_on = details.machine
    console.print(
        f"{made_on.processor}, {made_on.cores} cores, {made_on.memory_gib} GiB, Python {made_on.python}, "
        f"{made_on.broker}, {made_on.redis}; {details.partitions} partitions, {details.rows:,} rows"
    )
    for table in (_contenders(details), _latency(details), _growth(details), _figures(found)):
        if table.row_count:
            console.print(table)


def plot(found: Results, out: Path) -> None:
    """Save a PNG: throughput of the contenders, latency by load, throughput by state."""
    details = found.details
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    contenders, latency, growth = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    rows = _by_contender(details.trials)
    names = [_name(one[0]) for one in rows]
    contenders.barh(names[::-1], [_rate(one) for one in rows[::-1]], color="0.6")
    for position, one in enumerate(rows[::-1]):
        rates = [trial.events_per_second for trial in one]
        contenders.plot([min(rates), max(rates)], [position, position], color="C1", linewidth=2)
    contenders.set(xlabel="scored a second, median and range", title="One topic, the same rows")
    loads = [one.events_per_second for one in middle(details.latencies)]
    for name, values in (
        ("p99.9", [one.p999 for one in middle(details.latencies)]),
        ("p99", [one.p99 for one in middle(details.latencies)]),
        ("p50", [one.p50 for one in middle(details.latencies)]),
    ):
        latency.plot(loads, values, marker="o", label=name)
    latency.set(xlabel="impressions a second", ylabel="ms", title="Due -> score readable")
    sizes = sorted({one.entities for one in details.growth})
    growth.plot([size / 1e6 for size in sizes], [rate_beside(details.growth, size) for size in sizes], marker="o")
    growth.set(xlabel="million entities in Redis", ylabel="scored a second", title="As the state grows", ylim=(0, None))
    if loads:
        latency.legend(loc="upper left", frameon=False)
    figure.savefig(out, dpi=120)


def _contenders(details: Details) -> Table:
    table = Table(title="Throughput, in cores of processor time", title_justify="left")
    for name in ("contender", "events/s", "range", "worker", "broker", "Redis", "scores", "wrong"):
        table.add_column(name, justify="left" if name == "contender" else "right")
    for trials in _by_contender(details.trials):
        rates = [trial.events_per_second for trial in trials]
        costs = [trial.cost for trial in trials]
        cores = [
            f"{sum(part) / len(part):.2f}"
            for part in zip(*[(cost.worker, cost.broker or 0, cost.redis or 0) for cost in costs], strict=True)
        ]
        counted = (sum(trial.scores for trial in trials), sum(trial.wrong for trial in trials))
        figures = (f"{_rate(trials):,.0f}", f"{min(rates):,.0f} - {max(rates):,.0f}")
        table.add_row(_name(trials[0]), *figures, *cores, *[f"{one:,}" for one in counted])
    return table


def _latency(details: Details) -> Table:
    table = Table(title="Due -> score readable, ms; in cores of processor time", title_justify="left")
    for name in ("events/s", "p50", "p99", "p99.9", "worst", "judged", "lost", "wrong", "worker", "broker", "Redis"):
        table.add_column(name, justify="right")
    for one in middle(details.latencies):
        took = [f"{value:,.0f}" for value in (one.p50, one.p99, one.p999, one.worst)]
        counted = (one.judged, one.lost, one.parity_mismatches)
        cores = [f"{part or 0:.2f}" for part in (one.cost.worker, one.cost.broker, one.cost.redis)]
        table.add_row(f"{one.events_per_second:,}", *took, *[f"{value:,}" for value in counted], *cores)
    return table


def _growth(details: Details) -> Table:
    table = Table(title="As the state grows", title_justify="left")
    for name in ("entities", "events/s", "bytes an entity", "Redis, cores"):
        table.add_column(name, justify="right")
    for size in sorted({one.entities for one in details.growth}):
        grown = [one for one in details.growth if one.entities == size]
        cores = [one.trial.cost.redis or 0.0 for one in grown]
        each = f"{grown[0].redis_bytes / size:.0f}" if size else ""
        table.add_row(f"{size:,}", f"{rate_beside(grown, size):,.0f}", each, f"{sum(cores) / len(cores):.2f}")
    return table


def _figures(found: Results) -> Table:
    table = Table(title="Figures", title_justify="left", show_header=False)
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if name != "details" and value is not None:
            table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:,.2f}")
    return table


def _by_contender(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials of each contender, the fastest first."""
    names = dict.fromkeys((trial.contender, trial.workers) for trial in trials)
    grouped = [[trial for trial in trials if (trial.contender, trial.workers) == name] for name in names]
    return sorted(grouped, key=_rate, reverse=True)


def _rate(trials: Sequence[Trial]) -> float:
    rates = sorted(trial.events_per_second for trial in trials)
    return (rates[(len(rates) - 1) // 2] + rates[len(rates) // 2]) / 2


def _name(trial: Trial) -> str:
    return trial.contender if trial.workers == 1 else f"{trial.contender} x {trial.workers}"
