"""The API: the score of one impression, or of some, on request. Nothing that it does changes a count.

`ctr api` and `uvicorn api.app:app` start it; `app` is made when it is first asked for.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from importlib.metadata import version

import structlog
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_fastapi_instrumentator import Instrumentator
from prometheus_fastapi_instrumentator import metrics as http_metrics
from starlette.exceptions import HTTPException

from api import health, key, logs, openapi, page, problems, routes, v2
from api.edge import Edge
from api.metrics import STAGES
from api.problems import ProblemError
from api.service import Service, service, warm_up
from api.settings import ApiSettings
from model import bundle
from model.samples import samples
from store.client import connect
from store.peek import peeker
from store.settings import StoreSettings

logger = structlog.get_logger(__name__)


def __getattr__(name: str) -> FastAPI:
    """Makes `api.app.app` on demand, so that importing this module does no work."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    made = from_settings(ApiSettings(), StoreSettings())
    globals()["app"] = made
    return made


def from_settings(settings: ApiSettings, store_settings: StoreSettings) -> FastAPI:
    """The app as it is deployed.

    Raises:
        model.bundle.BundleError: the bundle can not be served.
    """
    served = bundle.load(settings.bundle)
    peek = peeker(connect(store_settings), store_settings)
    return make_app(service(settings, served, samples(settings.bundle, served.card), peek))


def make_app(parts: Service) -> FastAPI:
    """The app over its parts."""
    settings = parts.settings
    app = FastAPI(
        title="ctr-stream",
        version=version("ctr-stream"),
        description="The click probability of ad impressions, as the stream scores them. Read only.",
        lifespan=_lifespan(parts),
        docs_url=None,  # its scripts come from a CDN; the page at / is ours
        redoc_url=None,
        exception_handlers={
            ProblemError: problems.answering(parts.metrics.refused),
            HTTPException: problems.answer_http,
        },
    )
    check_key = key.checker(settings.api_key)
    app.include_router(page.router())
    app.include_router(routes.router(parts), dependencies=[Depends(check_key)])
    app.include_router(v2.router(parts, check_key))
    app.include_router(health.router(parts))
    app.openapi = cache(partial(openapi.document, app))  # type: ignore[method-assign]  # FastAPI's documented way
    _instrument(app, parts)
    if settings.api_cors_origins:
        origins = [origin.strip() for origin in settings.api_cors_origins.split(",")]
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_headers=["X-API-Key", "Authorization"])
    app.add_middleware(Edge)
    return app


def _lifespan(parts: Service) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        logs.configure(parts.settings)
        warm_up(parts)
        logger.info("ready", model_version=parts.bundle.version, bundle=str(parts.settings.bundle))
        yield
        parts.metrics.end()
        logger.info("ended")

    return lifespan


def _instrument(app: FastAPI, parts: Service) -> None:
    """Count and time requests by route; not by method, of which a client may think up any number."""
    registry = parts.metrics.registry
    instrumentator = Instrumentator(should_group_status_codes=False, registry=registry, excluded_handlers=["/metrics"])
    instrumentator.add(http_metrics.requests(should_include_method=False, registry=registry))
    instrumentator.add(
        http_metrics.latency(
            should_include_method=False, should_include_status=False, buckets=STAGES, registry=registry
        )
    )
    instrumentator.add(parts.metrics.answered)
    instrumentator.instrument(app)
