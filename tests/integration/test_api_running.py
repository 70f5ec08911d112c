"""The API as a process, beside a real worker and a real Redis."""

import asyncio
import json
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from uuid import uuid4

import aiohttp
import httpx
import psutil
import pytest
from api_process import Running, running
from prometheus_client.parser import text_string_to_metric_families
from system import System, eventually, worker

from features.keys import keys
from features.windows import COUNT_NAMES
from local import folder as folders
from local import valkey
from replay.ask import ask
from replay.log import Message
from schemas import impression
from schemas.impression import FIELDS, STRING_FIELDS

pytestmark = pytest.mark.integration

COMPARED = ("click_proba", *COUNT_NAMES)
PARITY = 5000


def strangers(rows: Sequence[Message], number: int) -> list[Message]:
    """Rows no two of which share a key: counting one of them changes no other's counts."""
    seen: set[str] = set()
    found = []
    for row in rows:
        own = {key for key in keys(impression.decode(row.value)) if key}
        if not own & seen:
            seen |= own
            found.append(row)
    assert len(found) >= number
    return found[:number]


def tensors(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """A V2 request."""
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(rows)],
                "datatype": "BYTES" if name in STRING_FIELDS else "INT64",
                "data": [row[name] for row in rows],
            }
            for name in FIELDS
        ]
    }


async def by_get(api: Running, rows: Sequence[Message]) -> dict[str, list[object]]:
    """What GET answers, by id; sixteen at a time, so that they are gathered."""
    found: dict[str, list[object]] = {}
    todo = iter(rows)

    async def work(client: aiohttp.ClientSession) -> None:
        for row in todo:
            async with client.get("/predict", params=json.loads(row.value or b"")) as answer:
                one = await answer.json()
                found[one["id"]] = [one[name] for name in COMPARED]

    async with aiohttp.ClientSession(api.url) as client:
        await asyncio.gather(*(work(client) for _ in range(16)))
    return found


def by_post(api: Running, rows: Sequence[Message]) -> dict[str, list[object]]:
    """What POST answers, by id."""
    found = []
    for start in range(0, len(rows), 500):
        body = b"[" + b",".join(row.value or b"" for row in rows[start : start + 500]) + b"]"
        found += httpx.post(f"{api.url}/predict", content=body, timeout=60).json()
    return {one["id"]: [one[name] for name in COMPARED] for one in found}


def by_v2(api: Running, rows: Sequence[Message]) -> dict[str, list[object]]:
    """What V2 inference answers, by id."""
    found: dict[str, list[object]] = {}
    for start in range(0, len(rows), 500):
        part = [json.loads(row.value or b"") for row in rows[start : start + 500]]
        answer = httpx.post(f"{api.url}/v2/models/ctr/infer", json=tensors(part), timeout=60).json()
        columns = {one["name"]: one["data"] for one in answer["outputs"]}
        for number, id_ in enumerate(columns["id"]):
            found[id_] = [columns[name][number] for name in COMPARED]
    return found


async def test_the_api_gives_the_bits_of_the_stream(system: System, rows: list[Message], tmp_path: Path) -> None:
    """5,000 impressions at the same counts through GET, POST, V2 and the stream: no bit differs, counts are not 0."""
    rows = list(rows)
    asked = strangers(rows[20_000:], PARITY)
    with worker(system) as scorer:
        scorer.wait_until_assigned()
        system.produce(rows[:20_000])
        system.scores(20_000)
        deployment = system.deployment
        with running(deployment.bundle, deployment.redis_url, tmp_path, STORE_NAMESPACE=deployment.name) as api:
            got, posted, inferred = await by_get(api, asked), by_post(api, asked), by_v2(api, asked)
            assert by_post(api, asked) == posted  # asking has changed no count
            assert api.end()
        system.produce(asked)
        streamed = [json.loads(record.value or b"") for record in system.scores(20_000 + PARITY)]
    wanted = {one["id"]: [one[name] for name in COMPARED] for one in streamed if one["id"] in got}
    assert len(wanted) == PARITY
    assert got == wanted
    assert posted == wanted
    assert inferred == wanted
    assert sum(any(one[1:]) for one in wanted.values()) > PARITY / 10


async def test_redis_goes_and_comes_back(served_bundle: Path, rows: list[Message], tmp_path: Path) -> None:
    """503 while Redis is down, 200 when it is back, one log line for each; live all the time."""
    with folders.owned() as place:
        server = valkey.start(place)
        with running(served_bundle, server.address, tmp_path, REDIS_TIMEOUT_SECONDS="1") as api:
            fields = json.loads(rows[0].value or b"")

            def status(path: str) -> int:
                return httpx.get(api.url + path, params=fields, timeout=30).status_code

            assert (status("/predict"), status("/health/ready")) == (200, 200)
            server.kill()
            assert (status("/predict"), status("/health/ready"), status("/health/live")) == (503, 503, 200)
            server.start()
            eventually(lambda: status("/predict") == 200)
            assert status("/health/ready") == 200
            events = [json.loads(line)["event"] for line in api.log.read_text().splitlines()]
        server.kill()
    assert (events.count("redis_away"), events.count("redis_back")) == (1, 1)


def metric(url: str, name: str) -> float:
    """The sum of a metric's samples."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def test_processes_of_one_api_add_up(
    served_bundle: Path, redis_url: str, rows: list[Message], tmp_path: Path
) -> None:
    """Whichever process is asked for metrics, it tells of all; gauges of processes are not added."""
    with running(served_bundle, redis_url, tmp_path, "--processes", "2", STORE_NAMESPACE=uuid4().hex) as api:
        eventually(lambda: api.log.read_text().count("startup complete") == 2)
        for first in range(0, 400, 100):  # each with connections of its own, which the processes share out
            report = await ask(api.url, rows[first : first + 100], concurrency=8)
            assert report.statuses == {"200": 100}
        for _ in range(10):
            assert metric(api.url, "ctr_predictions_total") == 400
            assert metric(api.url, "http_predict_request_total") == 400
            assert metric(api.url, "predicted_proba_hist_count") == 400
            assert metric(api.url, "ctr_model_info") == 1
            assert metric(api.url, "ctr_api_redis_up") == 1


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_terminated_api_leaves_no_files(served_bundle: Path, redis_url: str, tmp_path: Path, processes: str) -> None:
    """SIGTERM is an orderly end: exit code 0, and the folder of the processes' metrics is gone."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    settings = {"STORE_NAMESPACE": uuid4().hex, "TMPDIR": str(temporary)}
    with running(served_bundle, redis_url, tmp_path, "--processes", processes, **settings) as api:
        assert list(temporary.iterdir())
        assert api.end()
        assert api.process.returncode == 0
    assert not list(temporary.iterdir())


async def test_hostile_requests_leave_memory_flat(
    served_bundle: Path, redis_url: str, rows: list[Message], tmp_path: Path
) -> None:
    """Hundreds of bodies of 10 MB, deep nestings and endless queries later it answers, and is no bigger."""
    with running(served_bundle, redis_url, tmp_path, API_KEY="right") as api:
        process = psutil.Process(api.process.pid)
        deep, fields = b"[" * 500_000, b"{" + b",".join(b'"f%d":1' % number for number in range(10_000)) + b"}"
        long_query = "&".join(f"field{number}={number}" for number in range(4_000))

        async def attack(client: httpx.AsyncClient, times: int) -> None:
            for _ in range(times):
                for body in (b" " * 10_000_000, deep, fields, b"\x00" * 1000, b"9" * 100_000):
                    try:
                        answer = await client.post("/predict", content=body)
                    except httpx.TransportError:
                        continue  # it hung up on us while we were still sending
                    assert 400 <= answer.status_code < 500
                assert (await client.get(f"/predict?{long_query}")).status_code == 414
                assert (await client.get("/predict", headers={"x-api-key": "wrong"})).status_code == 401

        async with httpx.AsyncClient(base_url=api.url, headers={"x-api-key": "right"}, timeout=60) as client:
            await attack(client, 10)
            before = process.memory_info().rss
            await attack(client, 30)
            assert process.memory_info().rss < before + 20_000_000
            answer = await client.get("/predict", params=json.loads(rows[0].value or b""))
            assert answer.status_code == 200
        assert "right" not in api.log.read_text()


async def test_plain_uvicorn_serves_it_too(served_bundle: Path, redis_url: str, tmp_path: Path) -> None:
    """`uvicorn api.app:app` with settings from the environment; the log says nothing twice and no query."""
    command = ("-m", "uvicorn", "api.app:app", "--port", "0", "--no-access-log")
    with running(served_bundle, redis_url, tmp_path, command=command) as api:
        assert httpx.get(f"{api.url}/predict", params={"device_ip": "192.0.2.77"}).status_code == 422
        assert api.end()
    log = api.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["status"], line["path"]) == (422, "/predict")
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])
    assert "192.0.2.77" not in log


async def test_requests_are_counted_by_what_they_get(served_bundle: Path, redis_url: str, rows: list[Message]) -> None:
    """`ctr requests` counts statuses, keeps the first answers in order, and survives an API that is not there."""
    with folders.owned() as place, running(served_bundle, redis_url, place, API_KEY="right") as api:
        for method in ("GET", "POST"):
            report = await ask(api.url, rows[:50], method=method, key="right", rate=1000)  # type: ignore[arg-type]
            assert report.statuses == {"200": 50}
            assert len(report.seconds) == 50
            answers = chain.from_iterable(
                [found] if isinstance(found, dict) else found for found in map(json.loads, report.first)
            )
            assert [one["id"] for one in answers] == [json.loads(row.value or b"")["id"] for row in rows[:3]]
        assert (await ask(api.url, rows[:5])).statuses == {"401": 5}
        api.end()
        gone = await ask(api.url, rows[:5])
    assert sum(gone.statuses.values()) == 5
    assert not gone.seconds
