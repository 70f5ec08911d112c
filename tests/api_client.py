"""The API in process, over a made-up bundle and a store in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import fakes
import httpx

from api.app import make_app
from api.service import service
from api.settings import ApiSettings
from model.bundle import Bundle
from model.samples import Sample


class Api(NamedTuple):
    """A client of an API, the store behind it and the bundle that scores."""

    client: httpx.AsyncClient
    peeked: fakes.Peeked
    bundle: Bundle


@asynccontextmanager
async def serving(served: Bundle | None = None, **settings: Any) -> AsyncIterator[Api]:
    """An API with these settings."""
    served = served or fakes.bundle()
    peeked = fakes.Peeked()
    app = make_app(service(ApiSettings(**settings), served, [Sample("made up", fakes.impression())], peeked))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield Api(client, peeked, served)
