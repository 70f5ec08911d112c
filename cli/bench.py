"""The command that measures the worker beside what people would use instead."""

from pathlib import Path
from typing import Annotated

import typer

from cli import show


def bench(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Parts, comma separated or given again: a contender, two_workers, latency, growth."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Of each contender; the median counts.")] = 3,
    rows: Annotated[int, typer.Option(min=1000, help="Impressions in the topic.")] = 300_000,
    longest: Annotated[float, typer.Option(min=0.1, help="Seconds of a trial; who is slower scores fewer.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated log.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of results.json, bench.png, and what was read.")] = Path(
        "out/bench"
    ),
    as_json: show.Json = False,
) -> None:
    """Measure throughput beside other frameworks, latency under load, and growth; exit 1 when a score is wrong.

    Example: `ctr bench --only ours,limit --trials 1`
    """
    import msgspec

    from benchmarks import results
    from benchmarks import show as shown
    from benchmarks.inputs import Recipe
    from benchmarks.run import PARTS, Plan, run

    parts = tuple(part for given in only for part in given.split(",")) if only else PARTS
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    plan = Plan(parts=parts, trials=trials, recipe=Recipe(rows, seed), longest_seconds=longest)
    with show.progress() as stage:
        found = run(plan, out, stage)
    results.save(out / "results.json", found)
    shown.plot(found, out / "bench.png")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        shown.tables(found)
    if found.parity_mismatches:
        raise typer.Exit(1)
