"""HTTP for those who watch a worker: /metrics, /health/live and /health/ready, from a thread of its own."""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from stream.metrics import Metrics
from stream.status import Status

logger = logging.getLogger(__name__)

WAITED_FOR = ("Redis", "Kafka", "group", "counts")

_Respond = Callable[[str, list[tuple[str, str]]], object]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: a slow reader delays nobody."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Requests of probes are not worth a line each."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(host: str, port: int, status: Status, metrics: Metrics) -> int:
    """Start to answer; the port, which was chosen by the system where 0 is given.

    Raises:
        OSError: the port is taken or not ours to take.
    """
    try:
        server = make_server(host, port, _app(status, metrics), _Server, _Silent)
    except OSError as error:
        raise OSError(f"METRICS_PORT: {host}:{port} can not be listened on: {error}") from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    logger.info("metrics and health: http://%s:%d", host, server.server_port)
    return server.server_port


def _app(status: Status, metrics: Metrics) -> Callable[[dict[str, Any], _Respond], Iterable[bytes]]:
    expose = make_wsgi_app(metrics.registry)
    for what in WAITED_FOR:
        metrics.waiting.labels(what).set_function(lambda what=what: what in status.waits())  # type: ignore[misc]
    metrics.ready.set_function(lambda: not status.waits())

    def app(environ: dict[str, Any], respond: _Respond) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                answer: Iterable[bytes] = expose(environ, respond)
                return answer
            case "/health/live":
                return _answer(respond, "200 OK", {"live": True})
            case "/health/ready":
                waits = status.waits()
                found = "503 Service Unavailable" if waits else "200 OK"
                return _answer(respond, found, {"ready": not waits, "waiting_for": waits})
        return _answer(respond, "404 Not Found", {"paths": ["/metrics", "/health/live", "/health/ready"]})

    return app


def _answer(respond: _Respond, found: str, body: dict[str, object]) -> list[bytes]:
    respond(found, [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]
