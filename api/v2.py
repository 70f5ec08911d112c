"""Routes of the V2 inference protocol."""

from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api import inference, openapi
from api.health import readiness
from api.inference import INPUTS, OUTPUTS, ModelMetadata, ServerMetadata
from api.key import Check
from api.problems import V2, ProblemError
from api.read import body_of
from api.routes import json, score_many
from api.service import Service


def router(service: Service, check_key: Check) -> APIRouter:
    """Server and model metadata, health, inference."""
    routes = APIRouter(prefix=V2, tags=["V2 inference protocol"])
    models = APIRouter(prefix="/models", dependencies=[Depends(check_key)])
    settings = service.settings

    def check_name(name: str) -> None:
        if name != settings.model_name:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no model {name!r}, only {settings.model_name!r}")

    @routes.get("", **openapi.GET_V2)
    async def server() -> Response:
        """Name and version of the server."""
        return json(ServerMetadata("ctr-stream", version("ctr-stream"), []))

    @routes.get("/health/live", **openapi.GET_V2_LIVE)
    async def live() -> Response:
        """The process answers."""
        return json({"live": True})

    @routes.get("/health/ready", **openapi.GET_V2_READY)
    async def ready() -> Response:
        """All is ready for inference."""
        await readiness(service)
        return json({"ready": True})

    @models.get("/{name}", **openapi.GET_V2_MODEL)
    async def model(name: str) -> Response:
        """What the model takes and gives."""
        check_name(name)
        return json(ModelMetadata(name, [service.bundle.version], "catboost", INPUTS, OUTPUTS))

    @models.get("/{name}/ready", **openapi.GET_V2_MODEL_READY)
    async def model_ready(name: str) -> Response:
        """The model is ready for inference."""
        check_name(name)
        await readiness(service)
        return json({"name": name, "ready": True})

    @models.post("/{name}/infer", **openapi.POST_V2_INFER)
    async def infer(name: str, request: Request) -> Response:
        """The click probabilities of impressions, an input tensor a field."""
        check_name(name)
        wanted = inference.decode(await body_of(request, settings.api_max_body_bytes))
        shown = inference.impressions(wanted, settings.api_max_impressions)
        return json(inference.answer(wanted, name, await score_many(service, shown)))

    routes.include_router(models)
    return routes
