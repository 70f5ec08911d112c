"""The API's routes: the stream's answers over HTTP, problems that name what is wrong, nothing changed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import fakes
import httpx
import pytest
import strategies
from api_client import Api, serving
from hypothesis import given, settings
from redis import exceptions
from structlog.testing import capture_logs

from features.definition import FEATURE_NAMES, TABLES
from features.keys import keys
from features.windows import COUNT_NAMES, observe
from model.bundle import Bundle
from schemas import hours, impression
from schemas.impression import FIELDS, Impression


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API with default settings."""
    async with serving() as made:
        yield made


def expected(api: Api, shown: Impression, counts: tuple[int, ...] = (0,) * len(COUNT_NAMES)) -> dict[str, Any]:
    """What the API must answer, but for scored_at."""
    (click_proba,) = api.bundle.predict([api.bundle.build(shown, counts)])
    return {
        "id": shown.id,
        "device_ip": shown.device_ip,
        "click_proba": click_proba,
        "model_version": api.bundle.version,
        "hour": shown.hour,
        **dict(zip(COUNT_NAMES, counts, strict=True)),
    }


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    """An answer without scored_at."""
    assert found.pop("scored_at") > 0
    return found


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, after a look at what all of them must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@given(strategies.impressions(strategies.hour_indices()))
@settings(max_examples=20)
async def test_get_and_post_score_an_impression_at_the_counts_of_the_store(shown: Impression) -> None:
    """Both answer with the bits of the bundle's own row and model, and with the counts that were found."""
    async with serving() as api:
        for _ in range(3):
            observe(api.peeked.state, keys(shown), hours.index(shown.hour))
        before = json.dumps(api.peeked.state)
        counts = (3, 3, *((3, 3) if keys(shown)[1] else (0, 0)), 3, 3)
        got = await api.client.get("/predict", params=json.loads(impression.encode(shown)))
        posted = await api.client.post("/predict", content=impression.encode(shown))
        assert timeless(got.json()) == expected(api, shown, counts)
        assert [timeless(one) for one in posted.json()] == [expected(api, shown, counts)]
        assert json.dumps(api.peeked.state) == before


async def test_a_list_is_answered_in_order_and_in_one_round_trip(api: Api) -> None:
    """A thousand impressions: one look at the store, answers in the order of the list."""
    shown = [fakes.impression(id=str(number), C14=number) for number in range(1000)]
    content = b"[" + b",".join(map(impression.encode, shown)) + b"]"
    answer = await api.client.post("/predict", content=content)
    assert [timeless(one) for one in answer.json()] == [expected(api, one) for one in shown]
    assert api.peeked.questions == [1000]


async def test_explain_gives_counts_tables_and_contributions(api: Api) -> None:
    """The prediction, a line a table with what is known of its value, a contribution a feature, strongest first."""
    found = (await api.client.get("/explain", params=fakes.fields())).json()
    assert timeless(found["prediction"]) == expected(api, fakes.impression())
    assert [one["table"] for one in found["tables"]] == list(TABLES)
    assert not any(one["seen"] for one in found["tables"])
    assert sorted(one["feature"] for one in found["contributions"]) == sorted(FEATURE_NAMES)
    strengths = [abs(one["log_odds"]) for one in found["contributions"]]
    assert strengths == sorted(strengths, reverse=True)


async def test_explain_tells_seen_values_from_unseen_ones(bundle_: Bundle) -> None:
    """Each table's CTR is that of the row, and values that were trained on are said to be seen."""
    known = fakes.click_log(1200)[0]
    fields = json.loads(impression.encode(known))
    row = dict(zip(FEATURE_NAMES, bundle_.build(known, (0,) * len(COUNT_NAMES)), strict=True))
    async with serving(bundle_) as api:
        found = (await api.client.get("/explain", params=fields)).json()
        assert {one["table"]: one["ctr"] for one in found["tables"]} == {table: row[f"ctr_{table}"] for table in TABLES}
        assert all(one["seen"] for one in found["tables"])
        changed = (await api.client.get("/explain", params=fields | {"device_model": "new"})).json()
    unseen = {one["table"] for one in changed["tables"] if not one["seen"]}
    assert unseen == {table for table, names in TABLES.items() if "device_model" in names}


async def test_the_model_card_and_the_samples_are_told(api: Api) -> None:
    """/model has the card with the version, /samples impressions that can be sent back."""
    card = (await api.client.get("/model")).json()
    assert card["model_version"] == api.bundle.version
    assert card["features"] == list(FEATURE_NAMES)
    (sample,) = (await api.client.get("/samples")).json()
    assert (await api.client.get("/predict", params=sample["impression"])).status_code == 200


async def test_every_bad_query_parameter_is_named(api: Api) -> None:
    """A 422 with one fault a bad field: the field, the stream's reason, what was expected and what came."""
    fields = fakes.fields(C14="x", hour=14103025, site_id="")
    del fields["C21"]
    found = problem(await api.client.get("/predict", params=fields), 422)
    assert {(one["field"], one["reason"]) for one in found["faults"]} == {
        ("C14", "wrong_type"),
        ("hour", "wrong_hour"),
        ("site_id", "empty_field"),
        ("C21", "missing_field"),
    }
    assert found["detail"] == "hour: expected YYMMDDHH of a real date and hour, got '14103025'"


async def test_faults_in_a_list_are_placed_by_json_pointers(api: Api) -> None:
    """Each bad impression of a list is named, none of the list is scored."""
    content = json.dumps([fakes.fields(), fakes.fields(C1=None), fakes.fields(), [], fakes.fields(device_ip="\x01")])
    found = problem(await api.client.post("/predict", content=content), 422)
    assert [(one["pointer"], one["reason"]) for one in found["faults"]] == [
        ("/1/C1", "null_field"),
        ("/3", "not_an_object"),
        ("/4/device_ip", "control_character"),
    ]
    assert found["detail"] == "impression 1 C1: expected a value, got null"
    assert api.peeked.questions == []


HOSTILE: dict[str, tuple[bytes, int]] = {
    "ten megabytes": (b" " * 10_000_000, 413),
    "ten thousand fields": (
        json.dumps(fakes.fields() | {f"f{number}": number for number in range(10_000)}).encode(),
        422,
    ),
    "deep nesting": (b"[" * 100_000, 422),
    "deep nesting in an unknown field": (json.dumps(fakes.fields())[:-1].encode() + b',"x":' + b"[" * 5_000, 422),
    "deep and closed": (b"[" * 5_000 + b"]" * 5_000, 422),
    "control characters": (json.dumps(fakes.fields(device_ip="a\x00b")).encode(), 422),
    "raw control characters": (json.dumps(fakes.fields(device_ip="ab")).encode().replace(b'"ab"', b'"a\x00b"'), 422),
    "huge number": (json.dumps(fakes.fields()).encode().replace(b"20001", b"9" * 10_000), 422),
    "huge exponent": (json.dumps(fakes.fields()).encode().replace(b"20001", b"1e999999999"), 422),
    "not a number": (json.dumps(fakes.fields()).encode().replace(b"20001", b"NaN"), 422),
    "not UTF-8": (b"\xff\xfe{}", 422),
    "lone surrogate": (json.dumps(fakes.fields(device_ip="\ud800")).encode(), 422),
    "nothing": (b"", 422),
    "empty list": (b"[]", 422),
    "too many": (b"[" + b",".join([b"{}"] * 1001) + b"]", 422),
    "a list in a list": (b"[[{}]]", 422),
}


@pytest.mark.parametrize(("content", "status"), HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("path", ["/predict", "/v2/models/ctr/infer"])
async def test_hostile_bodies_get_a_4xx(api: Api, path: str, content: bytes, status: int) -> None:
    """A named problem, and the next request is answered as ever."""
    problem(await api.client.post(path, content=content), status)
    assert (await api.client.get("/predict", params=fakes.fields())).status_code == 200


async def test_a_body_without_an_announced_length_is_cut_off(api: Api) -> None:
    """A body that comes in pieces is refused as soon as it is too long; the rest is not read."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 100_000

    problem(await api.client.post("/predict", content=pieces()), 413)
    assert sent < 20


async def test_hostile_queries_get_a_4xx(api: Api) -> None:
    """Too many fields are 414; control characters and huge numbers are 422."""
    many = fakes.fields() | {f"field{number}": number for number in range(4_000)}  # httpx sends no more
    problem(await api.client.get("/predict", params=many), 414)
    problem(await api.client.get("/predict", params=fakes.fields(device_ip="a\x1b[0m")), 422)
    problem(await api.client.get("/predict", params=fakes.fields(C14="9" * 5000)), 422)


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    """404, and 405 with the methods that are allowed."""
    problem(await api.client.get("/nothing"), 404)
    answer = await api.client.delete("/predict")
    problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/predict", "/explain", "/health/ready", "/v2/health/ready", "/v2/models/ctr/ready"])
async def test_without_redis_it_is_503_with_retry_after(api: Api, path: str) -> None:
    """Nothing is guessed while Redis is away, and all is well when it is back."""
    api.peeked.away = exceptions.ConnectionError("refused")
    answer = await api.client.get(path, params=fakes.fields())
    problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert (await api.client.get("/health/live")).status_code == 200
    api.peeked.away = None
    assert (await api.client.get(path, params=fakes.fields())).status_code == 200


async def test_degraded_if_chosen() -> None:
    """With API_DEGRADED empty counts are used and the answer says so."""
    async with serving(api_degraded=True) as api:
        observe(api.peeked.state, keys(fakes.impression()), hours.index(fakes.impression().hour))
        api.peeked.away = exceptions.TimeoutError("slow")
        found = (await api.client.get("/predict", params=fakes.fields())).json()
        assert timeless(found) == expected(api, fakes.impression()) | {"degraded": True}
        assert (await api.client.get("/health/ready")).json()["status"] == "degraded"
        api.peeked.away = None
        assert "degraded" not in (await api.client.get("/predict", params=fakes.fields())).json()


async def test_a_fault_of_ours_is_a_500_that_tells_nothing(api: Api) -> None:
    """What is no outage of Redis is not called one; the problem has the request's id and no inner detail."""
    api.peeked.away = RuntimeError("secret detail")
    with capture_logs() as lines:
        found = problem(await api.client.get("/predict", params=fakes.fields()), 500)
    assert "secret" not in json.dumps(found)
    assert [line["event"] for line in lines] == ["fault", "request"]


GUARDED = ("/predict", "/explain", "/model", "/samples", "/v2/models/ctr", "/v2/models/ctr/ready")
OPEN = ("/", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/v2", "/v2/health/live")


@pytest.mark.parametrize("path", GUARDED)
async def test_with_a_key_set_only_those_who_bring_it_are_let_in(path: str) -> None:
    """X-API-Key or a bearer token; none, a wrong one and a longer one are 401."""
    async with serving(api_key="right") as api:
        for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": "right "[::-1]}, {"authorization": "Bearer rightx"}):
            problem(await api.client.get(path, params=fakes.fields(), headers=headers), 401)
        for headers in ({"x-api-key": "right"}, {"authorization": "Bearer right"}):
            assert (await api.client.get(path, params=fakes.fields(), headers=headers)).status_code == 200


@pytest.mark.parametrize("path", OPEN)
async def test_probes_metrics_and_the_page_need_no_key(path: str) -> None:
    """They hold nothing of impressions or the model."""
    async with serving(api_key="right") as api:
        assert (await api.client.get(path)).status_code == 200


async def test_other_origins_may_call_only_when_they_are_named() -> None:
    """Without API_CORS_ORIGINS no answer has the header that lets other pages read it."""
    headers = {"origin": "https://page.example"}
    async with serving() as api:
        answer = await api.client.get("/predict", params=fakes.fields(), headers=headers)
        assert "access-control-allow-origin" not in answer.headers
    async with serving(api_cors_origins="https://page.example, https://other.example") as api:
        answer = await api.client.get("/predict", params=fakes.fields(), headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://page.example"


async def test_a_request_keeps_the_id_that_its_client_gave_it(api: Api) -> None:
    """A tame X-Request-ID comes back; a wild one is replaced."""
    answer = await api.client.get("/health/live", headers={"x-request-id": "order-66.a"})
    assert answer.headers["x-request-id"] == "order-66.a"
    answer = await api.client.get("/health/live", headers={"x-request-id": "a b\tc"})
    assert len(answer.headers["x-request-id"]) == 32


async def test_query_strings_may_hold_unknown_fields(api: Api) -> None:
    """What is no field of an impression is ignored, as in the stream; click can not be read."""
    plain = await api.client.get("/predict", params=fakes.fields())
    more = await api.client.get("/predict", params=fakes.fields(click=1, more="x"))
    assert timeless(plain.json()) == timeless(more.json())
    assert set(FIELDS) > {"id", "device_ip", "hour"}
