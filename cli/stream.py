"""Commands that run a worker, feed it and read what it says."""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import show
from cli.reach import reach
from cli.show import LOCAL_BROKER, Json, Servers

if TYPE_CHECKING:
    from replay.consume import Read
    from replay.log import Message


def worker(
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; else BUNDLE or bundles/current.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Score impressions until SIGTERM or Ctrl-C; settings come from the environment (see README).

    Example: `KAFKA_BOOTSTRAP_SERVERS=kafka:9092 REDIS_URL=redis://redis:6379/0 ctr worker --bundle bundles/current`
    """
    import faust

    from broker.check import check
    from store.client import check as check_store
    from store.settings import StoreSettings
    from stream.app import make_app, use_uvloop
    from stream.settings import StreamSettings

    settings = StreamSettings(bundle=bundle) if bundle else StreamSettings()
    store_settings = StoreSettings()
    use_uvloop(settings, store_settings)
    app = make_app(settings, store_settings)
    check(settings)
    asyncio.run(check_store(store_settings))
    app.finalize()
    faust.Worker(app, loglevel=log_level, redirect_stdouts=False).execute_from_commandline()


def produce(
    log: Annotated[Path, typer.Argument(help="Click log in Avazu's CSV schema, plain or .gz.")],
    bootstrap_servers: Servers = LOCAL_BROKER,
    topic: Annotated[str, typer.Option(envvar="IMPRESSIONS_TOPIC", help="Where to.")] = "impressions",
    rate: Annotated[float | None, typer.Option(min=0.1, help="Messages a second; full speed if left out.")] = None,
    from_hour: Annotated[int, typer.Option(help="First hour, YYMMDDHH.")] = 0,
    until_hour: Annotated[int, typer.Option(help="First hour no longer sent, YYMMDDHH.")] = 99123124,
    limit: Annotated[int | None, typer.Option(min=1, help="Send this many rows at the most.")] = None,
    broken: Annotated[int, typer.Option(min=0, help="Mix in this many broken messages, of every kind.")] = 0,
    as_json: Json = False,
) -> None:
    """Replay a log to the impressions topic, keyed by device_ip; each message is stamped, so that latency can be read.

    Example: `ctr produce log.csv.gz --rate 5000`
    """
    import time

    from replay import log as logs
    from replay.produce import produce as send

    connection = reach(bootstrap_servers)
    rows = islice(logs.messages(log, from_hour, until_hour), limit)
    begun = time.monotonic()
    with show.progress() as stage:
        sent = send(bootstrap_servers, topic, mixed(rows, broken), rate, stage("produce", limit), connection)
    seconds = time.monotonic() - begun
    show.result("Produced", {"topic": topic, "messages": sent, "messages_per_second": sent / seconds}, as_json)


def mixed(rows: Iterable["Message"], broken: int, every: int = 10) -> Iterator["Message"]:
    """The rows with `broken` broken messages among them, one after each `every` rows, what is left over at the end."""
    from replay import broken as kinds

    last = None
    spoiled: Iterator[Message] = iter(())
    for position, row in enumerate(rows):
        if last is None:
            spoiled = (message for message, _ in islice(kinds.messages(row), broken))
        last = row
        yield row
        if position % every == 0:
            yield from islice(spoiled, 1)
    yield from spoiled


def consume(
    bootstrap_servers: Servers = LOCAL_BROKER,
    topic: Annotated[str, typer.Option(help="Topic to read.")] = "scores",
    out: Annotated[Path | None, typer.Option(help=".jsonl for the values, .parquet for whole records.")] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more at the end of the topic.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many.")] = None,
    idle_seconds: Annotated[
        float | None, typer.Option(help="When following, stop after this long with nothing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print or save a topic's records from its beginning, and say the latency from the impressions' stamps.

    A score carries its impression's stamp; a latency means something when the scores are read as they come (--follow).

    Example: `ctr consume --follow --limit 1000 --out scores.jsonl`
    """
    from replay import consume as reader

    connection = reach(bootstrap_servers)
    found: list[Read] = []
    with show.progress() as stage:
        advance = stage("consume", limit)
        records = reader.records(
            bootstrap_servers, topic, follow=follow, idle_seconds=idle_seconds, connection=connection
        )
        for record in islice(records, limit):
            found.append(record)
            advance(1)
    if out is None:
        for record in found:
            sys.stdout.write((record.value or b"").decode(errors="backslashreplace") + "\n")
        return
    if out.suffix == ".parquet":
        reader.save(out, found)
    else:
        out.write_bytes(b"".join((record.value or b"") + b"\n" for record in found))
    figures = {"topic": topic, "records": len(found), "file": str(out), "latency_ms": latency(found)}
    show.result("Consumed", figures, as_json)


def latency(found: Iterable["Read"]) -> dict[str, float]:
    """Median, 99th and 99.9th percentile of the milliseconds from an impression's stamp to the reading of its score."""
    return percentiles([record.read_at - record.timestamp for record in found])


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th and 99.9th percentile; nothing of nothing."""
    import numpy as np

    if not milliseconds:
        return {}
    return {name: float(np.percentile(milliseconds, q)) for name, q in (("p50", 50), ("p99", 99), ("p99.9", 99.9))}
