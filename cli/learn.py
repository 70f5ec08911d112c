"""Commands that make logs and bundles."""

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from cli import show
from cli.registry import DEFAULT_URI, TrackingUri, tracked_as
from cli.show import Json


def simulate(
    out: Annotated[Path, typer.Option(help="Where the log goes; .csv or .csv.gz.")],
    rows: Annotated[int, typer.Option(min=1, help="Impressions.")] = 1_000_000,
    hours: Annotated[int, typer.Option(min=1, help="Event hours that the log spans.")] = 240,
    start: Annotated[str, typer.Option(help="First hour, YYMMDDHH.")] = "14102100",
    audience: Annotated[
        float, typer.Option(help="Users, relative to Avazu's; below 1 they come back more often in a short log.")
    ] = 1.0,
    individuality: Annotated[
        float,
        typer.Option(min=0.0, help="What users and days have of their own that no column tells: 0 none, 1 strong."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Equal seeds make equal logs.")] = 0,
    truth: Annotated[Path | None, typer.Option(help="Where each row's true click probability goes.")] = None,
    as_json: Json = False,
) -> None:
    """Make an Avazu-like click log with a known click probability a row.

    Example: `ctr simulate --out log.csv.gz --rows 1000000 --truth truth.csv`
    """
    from trainer.simulate import simulate as make_log

    with show.progress() as stage:
        make_log(
            out,
            truth,
            rows=rows,
            seed=seed,
            hours=hours,
            start=start,
            audience=audience,
            individuality=individuality,
            progress=stage("simulate", rows),
        )
    show.result("Simulated", {"log": str(out), "rows": rows, "hours": hours, "seed": seed}, as_json)


def train(
    data: Annotated[Path, typer.Option(help="Click log in Avazu's CSV schema, plain or .gz.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    train_until: Annotated[
        int | None, typer.Option(help="First hour (YYMMDDHH) that is not learnt from: the test. Default: --test-hours.")
    ] = None,
    test_hours: Annotated[int, typer.Option(min=0, help="Hours at the log's end that are the test.")] = 24,
    iterations: Annotated[int, typer.Option(min=1, help="Trees.")] = 300,
    depth: Annotated[int, typer.Option(min=1, max=16, help="Depth of a tree.")] = 5,
    learning_rate: Annotated[
        float, typer.Option(min=0.0001, max=1.0, help="Of CatBoost, for 15,000 impressions; more bear more.")
    ] = 0.026,
    seed: Annotated[int, typer.Option(help="Equal seeds and logs make equal bundles.")] = 0,
    work: Annotated[
        Path | None, typer.Option(help="Folder for what the stages make; a training that was ended goes on from there.")
    ] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    as_json: Json = False,
) -> None:
    """Train on the hours before --train-until, test on the rest, write a bundle.

    Example: `ctr train --data train.csv --train-until 14103000 --out bundles/current`
    """
    import msgspec

    from trainer.fit import FitParameters
    from trainer.train import train as learn

    parameters = FitParameters(iterations=iterations, depth=depth, learning_rate=learning_rate, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") if work is None else nullcontext(work) as folder:
        with show.progress() as stage:
            trained = learn(data, train_until, out, parameters, stage, test_hours=test_hours, work=Path(folder))
        tracked = tracked_as(tracking_uri, Path(folder), out)
    figures: dict[str, object] = {
        "bundle": str(out),
        "train_until": str(trained.train_until),
        "train_impressions": trained.train_impressions,
    }
    if trained.test:
        figures |= {f"test_{name}": value for name, value in msgspec.structs.asdict(trained.test).items()}
    show.result("Trained", figures | tracked, as_json)
