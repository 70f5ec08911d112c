"""The API key, where one is set."""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request
from pydantic import SecretStr

from api.problems import ProblemError

Check = Callable[[Request], Awaitable[None]]


def checker(key: SecretStr) -> Check:
    """The function that lets a request through when it brings the key, or when none is set.

    Returns:
        `check(request)`, which raises ProblemError 401.
    """
    expected = key.get_secret_value().encode()

    async def check(request: Request) -> None:
        if not expected:
            return
        brought = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(brought.encode(), expected):  # takes as long for a nearly right key
            detail = "expected the API key in X-API-Key or Authorization: Bearer"
            raise ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    return check
