"""The API's own routes."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import explain, openapi
from api.counts import StoreAwayError
from api.gather import BusyError
from api.problems import unavailable
from api.read import body_of, from_body, from_query
from api.score import Scored
from api.service import Service
from schemas.impression import Impression

_encode = msgspec.json.Encoder().encode


def router(service: Service) -> APIRouter:
    """Predictions, their reasons, the model."""
    routes = APIRouter(tags=["predict"])
    settings = service.settings

    @routes.get("/predict", **openapi.GET_PREDICT)
    async def predict(request: Request) -> Response:
        """The click probability of one impression, given as query parameters. No count is changed."""
        scored = await score_one(service, from_query(request))
        return json(scored.prediction)

    @routes.post("/predict", **openapi.POST_PREDICT)
    async def predict_many(request: Request) -> Response:
        """The click probabilities of one impression or a list of them, in order. No count is changed."""
        body = await body_of(request, settings.api_max_body_bytes)
        scored = await score_many(service, from_body(body, settings.api_max_impressions))
        return json([one.prediction for one in scored])

    @routes.get("/explain", **openapi.GET_EXPLAIN)
    async def explain_one(request: Request) -> Response:
        """The prediction with its reasons: each table's CTR, and what each feature added to the score."""
        shown = from_query(request)
        return json(explain.explained(service.bundle, shown, await score_one(service, shown)))

    @routes.get("/model", **openapi.GET_MODEL)
    async def model() -> Response:
        """The card of the bundle that scores."""
        return json({"model_version": service.bundle.version, **msgspec.structs.asdict(service.bundle.card)})

    @routes.get("/samples", **openapi.GET_SAMPLES)
    async def samples() -> Response:
        """A few impressions to try, made of values that the bundle knows."""
        return json([{"name": one.name, "impression": one.impression} for one in service.samples])

    return routes


async def score_one(service: Service, shown: Impression) -> Scored:
    """Score an impression, together with those of concurrent requests.

    Raises:
        ProblemError: 503 while Redis is away, or too many wait.
    """
    try:
        return await service.score_one(shown)
    except (StoreAwayError, BusyError) as error:
        raise unavailable(error) from error


async def score_many(service: Service, shown: Sequence[Impression]) -> list[Scored]:
    """Score impressions.

    Raises:
        ProblemError: 503 while Redis is away.
    """
    try:
        return await service.score(shown)
    except StoreAwayError as error:
        raise unavailable(error) from error


def json(content: Any) -> Response:
    """An answer in JSON."""
    return Response(_encode(content), media_type="application/json")
