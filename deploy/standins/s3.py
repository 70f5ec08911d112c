"""Moto with the gateway's command line: takes its options, listens on its port, answers its health check."""

import argparse
from collections.abc import Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main() -> None:
    """Serve S3 until SIGTERM."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", default=":7070")
    options.add_argument("--health", default="/health")
    given, _ = options.parse_known_args()
    s3 = DomainDispatcherApplication(create_backend_app)

    def answer(environ: Any, start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == given.health:
            start("200 OK", [("Content-Type", "text/plain")])
            return [b"OK"]
        return s3(environ, start)

    run_simple("0.0.0.0", int(given.port.rpartition(":")[2]), answer, threaded=True)


main()
