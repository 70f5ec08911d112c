"""The V2 inference protocol: tensors in, tensors out, the same bits as /predict."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import fakes
import pytest
from api_client import Api, serving
from test_api_routes import problem

from features.windows import COUNT_NAMES
from schemas.impression import FIELDS, STRING_FIELDS

URL = "/v2/models/ctr/infer"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API with default settings."""
    async with serving() as made:
        yield made


def tensors(rows: Sequence[dict[str, Any]], columns: Sequence[str] = FIELDS, width: int | None = None) -> list[Any]:
    """Input tensors of impressions' fields."""
    return [
        {
            "name": name,
            "shape": [len(rows)] if width is None else [len(rows), width],
            "datatype": "BYTES" if name in STRING_FIELDS else "INT64",
            "data": [row[name] for row in rows],
        }
        for name in columns
    ]


ROWS = [fakes.fields(id=str(number), C14=number) for number in range(5)]


async def outputs(api: Api, **body: Any) -> dict[str, list[Any]]:
    """The data of each output tensor."""
    answer = await api.client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["data"] for one in answer.json()["outputs"]}


@pytest.mark.parametrize("width", [None, 1])
async def test_inference_gives_what_predict_gives(api: Api, width: int | None) -> None:
    """Each output holds the field of /predict's answers, in order; shapes [n] and [n, 1] are taken."""
    wanted = (await api.client.post("/predict", json=ROWS)).json()
    found = await outputs(api, inputs=tensors(ROWS, width=width))
    for name in ("id", "device_ip", "click_proba", *COUNT_NAMES):
        assert found[name] == [one[name] for one in wanted]


async def test_numbers_may_come_as_strings(api: Api) -> None:
    """A client that has only BYTES is understood, as producers of strings are in the stream."""
    strings = [{name: str(value) for name, value in row.items()} for row in ROWS]
    found = await outputs(api, inputs=tensors(strings))
    assert found["click_proba"] == (await outputs(api, inputs=tensors(ROWS)))["click_proba"]


async def test_the_answer_names_model_version_and_request(api: Api) -> None:
    """The request's id comes back; a client that asks for some outputs gets these."""
    body = {"id": "a-7", "inputs": tensors(ROWS), "outputs": [{"name": "click_proba"}]}
    found = (await api.client.post(URL, json=body)).json()
    assert (found["id"], found["model_name"], found["model_version"]) == ("a-7", "ctr", api.bundle.version)
    assert [(one["name"], one["datatype"], one["shape"]) for one in found["outputs"]] == [("click_proba", "FP64", [5])]


async def test_metadata_and_health(api: Api) -> None:
    """Clients find out what there is: server, model, its tensors, whether all is ready."""
    assert (await api.client.get("/v2")).json()["name"] == "ctr-stream"
    assert (await api.client.get("/v2/health/live")).json() == {"live": True}
    assert (await api.client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await api.client.get("/v2/models/ctr/ready")).json() == {"name": "ctr", "ready": True}
    model = (await api.client.get("/v2/models/ctr")).json()
    assert [one["name"] for one in model["inputs"]] == list(FIELDS)
    assert "click_proba" in {one["name"] for one in model["outputs"]}


BAD: dict[str, tuple[Any, str, str]] = {
    "no body": ({}, "not_json", ""),
    "no inputs": ({"inputs": []}, "missing_field", "/0/id"),
    "a field is missing": ({"inputs": tensors(ROWS, FIELDS[:-1])}, "missing_field", "/0/C21"),
    "wrong shape": ({"inputs": tensors(ROWS, width=2)}, "wrong_shape", "/inputs/0/shape"),
    "lengths differ": ({"inputs": tensors(ROWS)[:5] + tensors(ROWS[:2])[5:]}, "wrong_length", "/inputs"),
    "empty": ({"inputs": tensors([])}, "wrong_length", "/inputs/0/data"),
    "too many": ({"inputs": tensors(ROWS * 201)}, "wrong_length", "/inputs/0/data"),
    "a bad value": ({"inputs": tensors([*ROWS, fakes.fields(C14="x")])}, "wrong_type", "/5/C14"),
    "a nested value": ({"inputs": tensors([fakes.fields(C14=[1])])}, "wrong_type", "/0/C14"),
    "unknown output": ({"inputs": tensors(ROWS), "outputs": [{"name": "x"}]}, "unknown_output", "/outputs"),
}


@pytest.mark.parametrize(("body", "reason", "pointer"), BAD.values(), ids=list(BAD))
async def test_bad_requests_are_named(api: Api, body: Any, reason: str, pointer: str) -> None:
    """A problem with reason and place, and the protocol's own `error` beside it."""
    found = problem(await api.client.post(URL, json=body), 422)
    assert found["error"] == found["detail"]
    assert (found["faults"][0]["reason"], found["faults"][0].get("pointer", "")) == (reason, pointer)


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
async def test_other_models_are_404(api: Api, path: str) -> None:
    """There is one model, under its configured name."""
    method = "POST" if path == "/infer" else "GET"
    problem(await api.client.request(method, f"/v2/models/other{path}"), 404)
    async with serving(model_name="other") as other:
        assert (await other.client.get("/v2/models/other")).status_code == 200
