"""What is wrong with a request, as RFC 9457 problem details."""

from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from schemas.errors import RejectedError

SHOWN_FAULTS = 30  # of one request
V2 = "/v2"


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the request and what is wrong with it."""

    detail: str
    reason: str = ""  # of schemas.errors.Reason, or of the API's own
    field: str = ""
    pointer: str = ""  # RFC 6901, into the body; empty for a query parameter


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is not 2xx."""

    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    type: str = "about:blank"
    faults: tuple[Fault, ...] = ()
    error: str = ""  # the detail once more, where clients of the V2 protocol look for it


class ProblemError(Exception):
    """Raised by whatever answers a request that can not be met."""

    def __init__(
        self, status: HTTPStatus, detail: str, faults: Sequence[Fault] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults[:SHOWN_FAULTS])
        self.headers = headers or {}


def rejected(faults: Sequence[Fault]) -> ProblemError:
    """The request holds no impression that can be scored."""
    first = faults[0]
    place = first.pointer.removesuffix(f"/{first.field}").lstrip("/")
    where = " ".join(part for part in (f"impression {place}" if place else "", first.field) if part)
    detail = f"{where}: {first.detail}" if where else first.detail
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults)


def unavailable(error: Exception) -> ProblemError:
    """What is needed to answer is away, for now."""
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "1"})


def fault_of_ours() -> ProblemError:
    """Something is wrong with the code; the log has the traceback."""
    detail = "The fault is ours; the log says more under this request_id."
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def fault(error: RejectedError, position: int | None = None) -> Fault:
    """What decoding objects to; `position` is the impression's in a list."""
    parts = [str(part) for part in (position, error.field) if part is not None]
    return Fault(error.detail, str(error.reason), error.field or "", "".join(f"/{part}" for part in parts))


def answer(request: Request, error: ProblemError) -> Response:
    """The answer to a request that can not be met."""
    is_v2 = request.url.path.startswith(V2)
    body = Problem(
        title=error.status.phrase,
        status=error.status,
        detail=error.detail,
        instance=request.url.path,
        request_id=request.scope.get("request_id", ""),
        faults=error.faults,
        error=error.detail if is_v2 else "",
    )
    return Response(
        msgspec.json.encode(body), error.status, media_type="application/problem+json", headers=error.headers
    )


def answering(tell: Callable[[ProblemError], None]) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    """FastAPI's exception handler for ProblemError, which `tell` hears of."""

    async def answer_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101  # for mypy: FastAPI's type is that of all handlers
        tell(error)
        return answer(request, error)

    return answer_problem


async def answer_http(request: Request, error: Exception) -> Response:
    """FastAPI's exception handler for what the framework refuses: unknown paths, methods."""
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_of(request))  # the framework names those of the first route only
    return answer(request, ProblemError(HTTPStatus(error.status_code), error.detail, headers=headers))


def _methods_of(request: Request) -> list[str]:
    paths: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    matching = [methods for path, methods in paths.items() if compile_path(path)[0].match(request.url.path)]
    return sorted(method.upper() for methods in matching for method in methods)
