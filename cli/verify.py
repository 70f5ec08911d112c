"""The command that holds the stream against the batch path."""

from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.reach import reach
from cli.show import LOCAL_BROKER, Json, Servers


def verify(
    bundle: Annotated[Path, typer.Option(envvar="BUNDLE", help="Folder of the bundle that scored.")] = Path(
        "bundles/current"
    ),
    bootstrap_servers: Servers = LOCAL_BROKER,
    impressions: Annotated[str, typer.Option(help="Topic, or .parquet file of `ctr consume`.")] = "impressions",
    scores: Annotated[str, typer.Option(help="Topic, or .parquet file.")] = "scores",
    dead_letters: Annotated[str, typer.Option(help="Topic, or .parquet file.")] = "impressions-dead-letters",
    as_json: Json = False,
) -> None:
    """Recompute every score on the batch path and compare counts and click_proba bit for bit; exit 1 on any difference.

    Counts are taken to have started empty at the beginning of the topic.

    Example: `ctr verify --bundle bundles/current`
    """
    import msgspec

    from model.bundle import load
    from replay import consume
    from replay.verify import verify as compare

    def records(place: str) -> list[consume.Read]:
        if place.endswith(".parquet"):
            return consume.saved(Path(place))
        return list(consume.records(bootstrap_servers, place, connection=reach(bootstrap_servers)))

    found = [records(place) for place in (impressions, scores, dead_letters)]
    with show.progress() as stage:
        report = compare(load(bundle), found[0], found[1], found[2], stage("verify", len(found[1])))
    figures = msgspec.to_builtins(report)
    if not as_json:
        figures["differences"] = "\n".join(
            f"{one.partition}/{one.offset} {one.field}: scored {one.scored!r}, expected {one.expected!r}"
            for one in report.differences
        )
    show.result("Verified" if report.ok else "DIFFERENCES", figures, as_json)
    if not report.ok:
        raise typer.Exit(1)
