"""Commands that serve predictions over HTTP and ask for them."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer


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

    from api.metrics import DIRECTORY
    from api.settings import ApiSettings
    from model.bundle import verify

    if bundle:
        os.environ["BUNDLE"] = str(bundle)  # the server's processes read their settings themselves
    verify(ApiSettings().bundle)  # what is wrong with it is said here, in one line
    with tempfile.TemporaryDirectory(prefix="ctr-api-metrics-") as folder:
        if processes > 1:
            os.environ.setdefault(DIRECTORY, folder)
        uvicorn.run("api.app:app", host=host, port=port, workers=processes, log_config=None, access_log=False)
