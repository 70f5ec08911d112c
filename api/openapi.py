"""What the OpenAPI document says of the routes; fields and types come from the schemas."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response

from api.explain import Explained
from api.inference import InferAnswer, InferRequest, ModelMetadata, ServerMetadata
from api.problems import Problem
from api.score import CountedPrediction
from model.bundle import Card
from schemas.impression import FIELDS, MAX_STRING, STRING_FIELDS

Json = dict[str, Any]
Responses = dict[int, Json]

EXAMPLE: Json = {
    "id": "1000000000000000001",
    "hour": 14102113,
    "C1": 1005,
    "banner_pos": 0,
    "site_id": "5a6b7c8d",
    "site_domain": "c0ffee01",
    "site_category": "28905ebd",
    "app_id": "ecad2386",
    "app_domain": "7801e8d9",
    "app_category": "07d7df22",
    "device_id": "a99f214a",
    "device_ip": "192.0.2.1",
    "device_model": "0a1b2c3d",
    "device_type": 1,
    "device_conn_type": 2,
    "C14": 20001,
    "C15": 320,
    "C16": 50,
    "C17": 2001,
    "C18": 3,
    "C19": 39,
    "C20": -1,
    "C21": 23,
}

_MONTHS_31 = "(0[13578]|1[02])(0[1-9]|[12][0-9]|3[01])"
_MONTHS_30 = "(0[469]|11)(0[1-9]|[12][0-9]|30)"
_FEBRUARY = "02(0[1-9]|1[0-9]|2[0-8])"
_HOUR_PATTERN = f"^[0-9]{{2}}({_MONTHS_31}|{_MONTHS_30}|{_FEBRUARY})([01][0-9]|2[0-3])$"

# Control characters are refused.
_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": MAX_STRING, "pattern": r"^[^\u0000-\u001f\u007f]*$"}
_CODE: Json = {
    "anyOf": [
        {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        {"type": "string", "pattern": "^-?[0-9]{1,9}$"},
    ]
}
_HOUR: Json = {"description": "YYMMDDHH, UTC, of a real date and hour", "type": "string", "pattern": _HOUR_PATTERN}
_HOUR_NUMBER: Json = {"type": "integer", "minimum": 10100, "maximum": 99123123}


def field(name: str) -> Json:
    """The schema of one field of an impression."""
    if name == "hour":
        return _HOUR
    if name == "id":
        return {
            "anyOf": [_TEXT, {"type": "integer", "minimum": 1 - 10 ** (MAX_STRING - 1), "maximum": 10**MAX_STRING - 1}]
        }
    if name not in STRING_FIELDS:
        return _CODE
    return _TEXT | {"minLength": 0} if name == "device_id" else _TEXT


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


IMPRESSION: Json = {
    "type": "object",
    "description": "An ad shown, in Avazu's schema. Unknown fields are ignored.",
    "properties": {name: field(name) for name in FIELDS} | {"hour": {"anyOf": [_HOUR, _HOUR_NUMBER]}},
    "required": list(FIELDS),
    "example": EXAMPLE,
}
_IMPRESSIONS: Json = {"type": "array", "items": _ref("Impression"), "minItems": 1, "maxItems": 1000}
_QUERY = [
    {"name": name, "in": "query", "required": True, "schema": field(name), "example": EXAMPLE[name]} for name in FIELDS
]


def _answers(schema: Json, *others: int, media_type: str = "application/json") -> Responses:
    """The `responses` of a route: the schema, and problems."""
    found: Responses = {200: {"description": "OK", "content": {media_type: {"schema": schema}}}}
    meanings = {
        400: "The request can not be read as HTTP",
        401: "The API key is missing or wrong",
        404: "There is no such model",
        413: "The body is too long",
        414: "The query is too long",
        422: "A field is missing or wrong; the answer names it",
        503: "Redis does not answer, or too many requests wait; Retry-After says when to try again",
    }
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    return found | {status: {"description": meanings[status], "content": problem} for status in others}


def _route(responses: Responses, **extra: Any) -> Json:
    return {"response_class": Response, "responses": responses, "openapi_extra": extra or None}


def _body(schema: Json, **examples: Any) -> Json:
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": shown}}}


GET_PREDICT = _route(_answers(_ref("CountedPrediction"), 401, 414, 422, 503), parameters=_QUERY)
POST_PREDICT = _route(
    _answers({"type": "array", "items": _ref("CountedPrediction")}, 401, 413, 422, 503),
    requestBody=_body({"anyOf": [_ref("Impression"), _IMPRESSIONS]}, one=EXAMPLE, list=[EXAMPLE, EXAMPLE]),
)
GET_EXPLAIN = _route(_answers(_ref("Explained"), 401, 414, 422, 503), parameters=_QUERY)
GET_MODEL = _route(_answers(_ref("ServedCard"), 401))
GET_SAMPLES = _route(_answers({"type": "array", "items": _ref("NamedImpression")}, 401))
GET_HEALTH = _route(_answers(_ref("Health")))
GET_READY = _route(_answers(_ref("Health"), 503))
GET_METRICS = _route(_answers({"type": "string"}, media_type="text/plain"))
GET_PAGE = _route(_answers({"type": "string"}, media_type="text/html"))

_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "example": "ctr"}
GET_V2 = _route(_answers(_ref("ServerMetadata")))
GET_V2_LIVE = _route(_answers({"type": "object", "properties": {"live": {"type": "boolean"}}}))
GET_V2_READY = _route(_answers({"type": "object", "properties": {"ready": {"type": "boolean"}}}, 503))
GET_V2_MODEL = _route(_answers(_ref("ModelMetadata"), 401, 404), parameters=[_NAME])
GET_V2_MODEL_READY = _route(_answers({"type": "object"}, 401, 404, 503), parameters=[_NAME])
POST_V2_INFER = _route(
    _answers(_ref("InferAnswer"), 401, 404, 413, 422, 503),
    parameters=[_NAME],
    requestBody=_body(
        _ref("InferRequest"),
        one={
            "inputs": [
                {
                    "name": name,
                    "shape": [1],
                    "datatype": "BYTES" if name in STRING_FIELDS else "INT64",
                    "data": [EXAMPLE[name]],
                }
                for name in FIELDS
            ]
        },
    ),
)


def document(app: FastAPI) -> Json:
    """The OpenAPI document of the app."""
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    structs = (CountedPrediction, Explained, Problem, Card, InferRequest, InferAnswer, ModelMetadata, ServerMetadata)
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    served: Json = {"allOf": [_ref("Card"), {"properties": {"model_version": {"type": "string"}}}]}
    named = {"type": "object", "properties": {"name": {"type": "string"}, "impression": _ref("Impression")}}
    health = {"type": "object", "properties": {"status": {"type": "string"}, "model_version": {"type": "string"}}}
    components |= {"Impression": IMPRESSION, "ServedCard": served, "NamedImpression": named, "Health": health}
    made.setdefault("components", {}).setdefault("schemas", {}).update(components)
    made["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    return made
