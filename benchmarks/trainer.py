"""What training costs at growing sizes of log: seconds and peak memory of each stage.

    python -m benchmarks.trainer --rows 1000000 --rows 4000000
    python -m benchmarks.trainer --docs docs/training.md

Each stage is a process of its own, as `dvc repro` starts it, with the parameters of params.yaml. Ended early, it goes
on after the last complete stage; sizes measured before are not measured again: remove out/bench/trainer/costs.json for
that. Peak memory is the process' resident set, mapped files included.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

OUT = Path("out/bench/trainer")
COSTS = OUT / "costs.json"
STAGES = ("prepare", "build-features", "fit", "evaluate", "publish")
DEFAULT_ROWS = [1_000_000, 4_000_000]
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Cost(msgspec.Struct, frozen=True):
    """What a stage cost."""

    seconds: float  # on the clock, others on the machine included
    cpu_seconds: float  # user and system, of all threads
    peak_gib: float
    load_before: float  # processes that ran or waited for a core, averaged over a minute
    load_after: float


Costs = dict[int, dict[str, Cost]]  # rows -> stage -> cost


def main(
    rows: Annotated[list[int] | None, typer.Option(help="Sizes of log, each simulated once.")] = None,
    docs: Annotated[
        Path | None, typer.Option(help="Markdown file whose table is written; nothing is measured.")
    ] = None,
) -> None:
    """Simulate, run the stages, print the table, write out/bench/trainer/costs.json."""
    if docs:
        before, rest = docs.read_text(encoding="utf-8").split(_BEGIN)
        docs.write_text(f"{before}{_BEGIN}\n{_markdown(_known())}{_END}{rest.split(_END)[1]}", encoding="utf-8")
        return
    for size in rows or DEFAULT_ROWS:
        _measure(OUT / str(size), size)
    Console().print(_table(_known()))


def _measure(folder: Path, size: int) -> None:
    """Run the stages that are not measured yet."""
    parameters = msgspec.yaml.decode(Path("params.yaml").read_bytes())
    log = _simulated(folder, size).resolve()
    (folder / "params.yaml").write_bytes(msgspec.yaml.encode(parameters | {"log": str(log)}))
    for stage in STAGES:
        if stage not in _known().get(size, {}):
            cost = _run(stage, folder)
            costs = _known()
            costs.setdefault(size, {})[stage] = cost
            COSTS.write_bytes(msgspec.json.format(msgspec.json.encode(costs)) + b"\n")


def _known() -> Costs:
    return msgspec.json.decode(COSTS.read_bytes(), type=Costs) if COSTS.is_file() else {}


def _simulated(folder: Path, size: int) -> Path:
    """The log of `size` rows; not part of the costs."""
    log = folder / "log.csv"
    if not log.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ("--out", log, "--truth", folder / "truth.csv", "--rows", str(size))
        subprocess.run([sys.executable, "-m", "cli", "simulate", *arguments], check=True)
    return log


def _run(stage: str, folder: Path) -> Cost:
    """Run one stage in `folder` and measure it."""
    load_before, started = os.getloadavg()[0], time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    child = subprocess.Popen([sys.executable, "-m", "cli.stages", stage], cwd=folder, env=environment)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{stage} of {folder} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(
        seconds=round(time.monotonic() - started, 1),
        cpu_seconds=round(used.ru_utime + used.ru_stime, 1),
        peak_gib=round(used.ru_maxrss / 2**20, 2),
        load_before=round(load_before, 1),
        load_after=round(os.getloadavg()[0], 1),
    )


def _cells(costs: Costs) -> list[list[str]]:
    """A row a size: wall and CPU seconds and peak memory of each stage, and of all."""
    rows = []
    for size, stages in sorted(costs.items()):
        whole = Cost(
            sum(cost.seconds for cost in stages.values()),
            sum(cost.cpu_seconds for cost in stages.values()),
            max(cost.peak_gib for cost in stages.values()),
            0,
            0,
        )
        known = [_shown(stages[stage]) if stage in stages else "" for stage in STAGES]
        complete = len(stages) == len(STAGES)
        each = f"{whole.cpu_seconds / size * 1e6:.0f}" if complete else ""
        rows.append([f"{size:,}", *known, _shown(whole) if complete else "", each])
    return rows


def _shown(cost: Cost) -> str:
    return f"{cost.seconds:,.0f} / {cost.cpu_seconds:,.0f} / {cost.peak_gib:.1f}"


_HEADER = ("rows", *STAGES, "in all", "CPU us a row")


def _table(costs: Costs) -> Table:
    shown = Table(*_HEADER, title="wall s / CPU s / peak GiB", title_justify="left")
    for cells in _cells(costs):
        shown.add_row(*cells)
    return shown


def _markdown(costs: Costs) -> str:
    complete = {size: stages for size, stages in costs.items() if len(stages) == len(STAGES)}
    lines = [_HEADER, ["---"] * len(_HEADER), *_cells(complete)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    typer.run(main)
