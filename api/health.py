"""Routes for those who watch the API: probes, metrics."""

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from api import openapi
from api.counts import StoreAwayError
from api.problems import unavailable
from api.routes import json
from api.service import Service


class Health(msgspec.Struct, frozen=True):
    """What a probe gets."""

    status: str  # live, ready or degraded
    model_version: str


def router(service: Service) -> APIRouter:
    """Probes and metrics."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health/live", **openapi.GET_HEALTH)
    async def live() -> Response:
        """The process answers."""
        return json(Health("live", service.bundle.version))

    @routes.get("/health/ready", **openapi.GET_READY)
    async def ready() -> Response:
        """The model is loaded and warm, and Redis answers; or else degraded answers are given."""
        is_degraded = await readiness(service)
        return json(Health("degraded" if is_degraded else "ready", service.bundle.version))

    @routes.get("/metrics", **openapi.GET_METRICS)
    async def metrics() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes


async def readiness(service: Service) -> bool:
    """Ask Redis for some counts; whether answers are degraded now.

    Raises:
        ProblemError: 503 while Redis is away and nothing may be guessed.
    """
    try:
        counted = await service.count([service.samples[0].impression])
    except StoreAwayError as error:
        raise unavailable(error) from error
    return counted.degraded
