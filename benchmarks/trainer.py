"""What training costs at growing sizes of log: seconds and peak memory of each stage.

    python -m benchmarks.trainer --rows 1000000 --rows 4000000

Each stage is a process of its own, as `dvc repro` starts it. Ended early, it goes on after the last complete stage.
Peak memory is the process' resident set, mapped files included.
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
STAGES = ("prepare", "build-features", "fit", "evaluate", "publish")
DEFAULT_ROWS = [1_000_000, 4_000_000]


class Cost(msgspec.Struct, frozen=True):
    """What a stage cost."""

    seconds: float
    cpu_seconds: float  # user and system, of all threads
    peak_gib: float
    load_before: float  # processes that ran or waited for a core, averaged over a minute, before it and at its end
    load_after: float


Costs = dict[int, dict[str, Cost]]  # rows -> stage -> cost


def main(
    rows: Annotated[list[int] | None, typer.Option(help="Sizes of log, each simulated once.")] = None,
    threads: Annotated[int, typer.Option(help="Of the fit.")] = 2,
    iterations: Annotated[int, typer.Option(help="Trees.")] = 300,
) -> None:
    """Simulate, run the stages, print the table, write out/bench/trainer/costs.json."""
    OUT.mkdir(parents=True, exist_ok=True)
    for size in rows or DEFAULT_ROWS:
        folder = OUT / str(size)
        log = _simulated(folder, size)
        parameters = {
            "log": str(log.resolve()),
            "features": {"test_hours": 24, "weight": 20.0},
            "fit": {"iterations": iterations, "threads": threads},
        }
        (folder / "params.yaml").write_bytes(msgspec.yaml.encode(parameters))
        for stage in STAGES:
            costs = _known()
            if stage not in costs.get(size, {}):
                cost = _run(stage, folder)
                costs = _known()
                costs.setdefault(size, {})[stage] = cost
                (OUT / "costs.json").write_bytes(msgspec.json.format(msgspec.json.encode(costs)) + b"\n")
    Console().print(table(_known()))


def table(costs: Costs) -> Table:
    """A row a size: seconds, CPU seconds and peak memory of each stage."""
    shown = Table("rows", *STAGES, "in all", "us a row", title="wall s / CPU s / peak GiB", title_justify="left")
    for size, stages in sorted(costs.items()):
        cells = [_cell(stages[stage]) if stage in stages else "" for stage in STAGES]
        seconds = sum(cost.seconds for cost in stages.values())
        cpu = sum(cost.cpu_seconds for cost in stages.values())
        peak = max(cost.peak_gib for cost in stages.values())
        shown.add_row(f"{size:,}", *cells, f"{seconds:.0f} / {cpu:.0f} / {peak:.1f}", f"{cpu / size * 1e6:.1f}")
    return shown


def _cell(cost: Cost) -> str:
    return f"{cost.seconds:.0f} / {cost.cpu_seconds:.0f} / {cost.peak_gib:.1f}"


def _known() -> Costs:
    path = OUT / "costs.json"
    return msgspec.json.decode(path.read_bytes(), type=Costs) if path.is_file() else {}


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


if __name__ == "__main__":
    typer.run(main)
