"""A real Prometheus scrapes a real worker and a real API: all targets are up, every dashboard's queries have data."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_process import running
from system import PATIENCE, System, eventually, worker
from test_monitoring import ROOT, dashboard_queries, rules

from replay import broken
from replay.ask import ask
from replay.log import Message

pytestmark = pytest.mark.integration


@contextmanager
def prometheus(folder: Path, targets: dict[str, str]) -> Iterator[str]:
    """A Prometheus with the project's configuration, but for the targets (job -> host:port) and the pace; its URL."""
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    configuration = yaml.safe_load((ROOT / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(ROOT / path) for path in configuration["rule_files"]]
    configuration["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": [targets[job["job_name"]]]}]}
        for job in configuration["scrape_configs"]
        if job["job_name"] in targets
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    log = folder / "prometheus.log"
    options = ("--web.listen-address=127.0.0.1:0", "--storage.tsdb.path=data", "--config.file=prometheus.yml")
    with log.open("wb") as file:
        process = subprocess.Popen([program, *options], cwd=folder, stdout=file, stderr=file)
    try:
        address = re.compile(r"Listening on\"? address=(127\.0\.0\.1:\d+)")

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            found = address.search(log.read_text())
            return bool(found) and httpx.get(f"http://{found[1]}/-/ready").status_code == 200  # type: ignore[index]

        eventually(answers)
        found = address.search(log.read_text())
        assert found
        yield f"http://{found[1]}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def query(url: str, expression: str) -> list[Any]:
    """What a query gives now."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    found: list[Any] = answer["data"]["result"]
    return [one for one in found if one["value"][1] != "NaN"]


async def test_every_dashboard_query_and_every_recording_rule_has_data(
    system: System, rows: list[Message], tmp_path: Path
) -> None:
    """Under a flow of impressions and requests, broken ones too; no alert fires but for what the test does itself."""
    rows = list(rows)
    spoiled = [message for message, _ in islice(broken.messages(rows[0]), len(broken.KINDS))]
    deployment = system.deployment
    with (
        worker(system) as scorer,
        running(deployment.bundle, deployment.redis_url, tmp_path, STORE_NAMESPACE=deployment.name) as api,
    ):
        scorer.wait_until_assigned()
        scrape = re.search(r"metrics and health: http://(\S+)", scorer.said())
        assert scrape
        targets = {"worker": scrape[1], "api": api.url.removeprefix("http://")}
        with prometheus(tmp_path, targets) as url:
            eventually(lambda: len(query(url, 'up{job=~"worker|api"} == 1')) == 2)
            left = iter(rows)
            missing = {f"{panel}: {expression}": expression for panel, expression in dashboard_queries()}
            missing |= {rule["record"]: rule["record"] for rule in rules() if "record" in rule}
            # A memory limit is the operator's to set.
            missing.pop("ctr:redis_used:ratio")

            async def flow() -> None:
                some = [row for _, row in zip(range(300), left, strict=False)]
                system.produce([*some, *spoiled])
                await ask(api.url, some[:50])
                await ask(api.url, some[:5], method="POST")
                httpx.get(f"{api.url}/predict", params={"hour": "x"})

            for _ in range(40):
                await flow()
                missing = {name: expression for name, expression in missing.items() if not query(url, expression)}
                if not missing:
                    break
            assert not missing
            firing = {one["metric"]["alertname"] for one in query(url, 'ALERTS{alertstate="firing"}')}
            assert firing <= {"CtrScoringFailed"}
            assert json.loads(httpx.get(f"http://{scrape[1]}/health/ready").text)["ready"]
