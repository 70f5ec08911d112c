"""Commands that serve predictions over HTTP and ask for them."""

import asyncio
import os
import signal
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli import show
from cli.show import Json
from cli.stream import percentiles


def api(
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; else BUNDLE or bundles/current.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    processes: Annotated[int, typer.Option(min=1, help="Server processes; their metrics add up.")] = 1,
) -> None:
    """Answer requests for predictions until SIGTERM or Ctrl-C; settings come from the environment (see README).

    Example: `REDIS_URL=redis://redis:6379/0 ctr api --bundle bundles/current --port 8000`, then open http://127.0.0.1:8000
    """
    import uvicorn

    from api import logs
    from api.metrics import DIRECTORY
    from api.settings import ApiSettings
    from model.bundle import verify
    from store.client import check
    from store.settings import StoreSettings

    if bundle:
        os.environ["BUNDLE"] = str(bundle)  # the server's processes read their settings themselves
    settings = ApiSettings()
    verify(settings.bundle)  # what is wrong with it, or with the way to Redis, is said here, in one line
    asyncio.run(check(StoreSettings()))
    logs.configure(settings)
    with tempfile.TemporaryDirectory(prefix="ctr-api-metrics-") as folder:
        if processes > 1:
            os.environ.setdefault(DIRECTORY, folder)
        # Uvicorn finishes what is under way, then raises the signal again, which would end us before the folder goes.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        uvicorn.run("api.app:app", host=host, port=port, workers=processes, log_config=None, access_log=False)


def requests(
    log: Annotated[Path, typer.Argument(help="Click log in Avazu's CSV schema, plain or .gz.")],
    url: Annotated[str, typer.Option(help="Of the API.")] = "http://127.0.0.1:8000",
    rate: Annotated[float | None, typer.Option(min=0.1, help="Requests a second; full speed if left out.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at the same time.")] = 8,
    method: Annotated[Literal["GET", "POST"], typer.Option(help="Query parameters, or JSON.")] = "GET",
    limit: Annotated[int | None, typer.Option(min=1, help="Send this many rows at the most.")] = None,
    api_key: Annotated[str, typer.Option(envvar="API_KEY", help="If the API asks for one.")] = "",
    as_json: Json = False,
) -> None:
    """Ask the API for predictions of a log's rows; prints statuses, latencies and the first answers.

    Exit code 1 when a request got another answer than 200.

    Example: `ctr requests log.csv.gz --rate 200 --limit 2000`
    """
    from replay import log as logs
    from replay.ask import ask

    rows = islice(logs.messages(log), limit)
    with show.progress() as stage:
        advance = stage("requests", limit)
        report = asyncio.run(
            ask(url, rows, rate=rate, concurrency=concurrency, method=method, key=api_key, progress=advance)
        )
    figures = {
        "statuses": dict(sorted(report.statuses.items())),
        "requests_per_second": report.statuses.total() / report.elapsed,
        "latency_ms": percentiles([seconds * 1000 for seconds in report.seconds]),
        "first_answers": report.first if as_json else "\n".join(report.first),
    }
    show.result(f"{method} {url}/predict", figures, as_json)
    if set(report.statuses) - {"200"}:
        raise typer.Exit(1)
