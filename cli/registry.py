"""Commands that speak to MLflow: log a training, promote its bundle."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.show import Json

# The name and the default of trainer.tracking, which takes seconds to import.
TrackingUri = Annotated[
    str,
    typer.Option(
        envvar="MLFLOW_TRACKING_URI", help="MLflow's server, or sqlite:///file; none: do not track.", show_default=True
    ),
]
DEFAULT_URI = "sqlite:///out/mlflow.db"
NONE = "none"


def track(
    work: Annotated[Path, typer.Option(help="Folder of what the stages made.")] = Path("out/pipeline"),
    bundle: Annotated[Path | None, typer.Option(help="The bundle; the one in --work if left out.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    as_json: Json = False,
) -> None:
    """Log a training that is complete to MLflow and register its bundle as the candidate; once a bundle.

    Example: `ctr track --work out/pipeline --tracking-uri http://127.0.0.1:5000`
    """
    tracked = tracked_as(tracking_uri, work, bundle or work / "bundle")
    show.result("Tracked", tracked, as_json)
    if not tracked:
        raise typer.Exit(1)


def promote(
    data: Annotated[Path, typer.Option(help="Labelled log whose last 24 hours neither model has learnt from.")],
    margin: Annotated[float, typer.Option(min=0, help="How much worse is not worse; logloss, nats.")] = 0.001,
    tracking_uri: TrackingUri = DEFAULT_URI,
    as_json: Json = False,
) -> None:
    """Make the candidate the champion if it is not worse on the log's newest day; exit 1 if it is not surely so.

    Example: `ctr promote --data train.csv`
    """
    import msgspec

    from trainer.registry import promote as judge

    with show.progress() as stage:
        verdict = judge(tracking_uri, data, margin, stage)
    show.result("Promoted" if verdict.promoted else "Not promoted", msgspec.structs.asdict(verdict), as_json)
    if not verdict.promoted:
        raise typer.Exit(1)


def tracked_as(uri: str, work: Path, bundle: Path) -> dict[str, object]:
    """Track, unless told not to; the figures to show. What fails is a line on stderr, never an error."""
    if uri == NONE:
        return {}
    from trainer.tracking import Tracked, try_track

    tracked = try_track(uri, work, bundle)
    if isinstance(tracked, Tracked):
        return {"mlflow_run": tracked.run_id, "model_version": tracked.model_version}
    sys.stderr.write(f"ctr: {tracked}\n")
    return {}
