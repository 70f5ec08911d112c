"""What every request passes: it gets an id, an answer whatever happens, and a log line where that is worth one."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from fastapi import Request

from api import problems

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

logger = structlog.get_logger(__name__)

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # what a client may call its request: it ends up in our log
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Edge:
    """ASGI middleware.

    Args:
        app: what answers.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = scope["request_id"] = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("fault", method=scope["method"], path=scope["path"])
            if status:  # the answer has begun: all that is left is to break it off
                raise
            await problems.answer(Request(scope), problems.fault_of_ours())(scope, receive, send_with_id)
        finally:
            # Never the query: it holds who saw the ad. Refused requests are worth a line, the others at debug.
            say = logger.debug if status < 400 else logger.info if status < 500 else logger.warning
            milliseconds = round((time.perf_counter() - begun) * 1000, 2)
            say("request", method=scope["method"], path=scope["path"], status=status, milliseconds=milliseconds)


def _request_id(scope: Message) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value.decode())
    return uuid4().hex
