"""The whole system as its users start it: `make compose-test`, which needs a Docker engine and no image registry."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from composed import PATIENCE, Composed, docker, service

from replay import log as logs
from trainer.simulate import simulate

pytestmark = pytest.mark.timeout(1500)

ROWS = 5_000
OURS = ("stream", "api", "trainer", "mlflow", "topics", "buckets")
ONE_SHOT = {"topics", "buckets", "trainer"}


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fail when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "patience ended"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def bundle(composed: Composed) -> Path:
    """The bundle that the trainer published, as the workers see it."""
    (worker,) = composed.containers("stream")
    docker("cp", f"{worker['Id']}:/bundles/current", str(composed.folder / "bundle"))
    return composed.folder / "bundle"


@pytest.fixture(scope="module")
def log(composed: Composed) -> Path:
    """Impressions of few users, so that partitions share them and a wrong count shows."""
    simulate(composed.folder / "log.csv", None, rows=2 * ROWS, seed=7, hours=30, audience=ROWS / 40e6)
    return composed.folder / "log.csv"


def scores(composed: Composed, distinct: int) -> int:
    """Wait for that many distinct scores; how many records there are by then."""
    found: set[tuple[int, int]] = set()
    out = composed.folder / "scores.jsonl"

    def read() -> bool:
        composed.ctr("consume", "--out", str(out))
        found.update((score["partition"], score["offset"]) for score in map(json.loads, out.read_text().splitlines()))
        return len(found) >= distinct

    eventually(read)
    return len(out.read_text().splitlines())


def test_every_service_is_up_and_healthy(composed: Composed) -> None:
    """Long-running services run and pass their health check; one-shots ended with 0."""
    states = {service(one): one["State"] for one in composed.containers()}
    assert {"kafka", "redis", "s3", "mlflow", "stream", "api", "prometheus"} <= states.keys() - ONE_SHOT
    for name, state in states.items():
        if name in ONE_SHOT:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), name
        else:
            assert state["Health"]["Status"] == "healthy", name


def test_containers_have_no_more_rights_than_they_need(composed: Composed) -> None:
    """No capability, no new privileges, limits of memory and log; read-only disks; ours run as a user of their own."""
    for one in composed.containers():
        host = one["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        assert host["ReadonlyRootfs"] or service(one) == "kafka"
        if service(one) in OURS:
            assert one["Config"]["User"] == "10001:10001"


def test_only_user_facing_ports_are_published_on_loopback_only(composed: Composed) -> None:
    """Redis, S3 and the workers' metrics are for the stack alone."""
    published = {
        service(one): {
            binding["HostIp"] for bindings in one["HostConfig"]["PortBindings"].values() for binding in bindings
        }
        for one in composed.containers()
    }
    open_ports = {name for name, addresses in published.items() if addresses}
    assert open_ports <= {"kafka", "api", "mlflow", "prometheus", "grafana"}
    assert set.union(*published.values()) == {"127.0.0.1"}


def test_images_of_stream_and_api_carry_no_training_tools(composed: Composed) -> None:
    """Nor pip, nor a compiler."""
    code = "from importlib.util import find_spec as f; print([n for n in {!r} if f(n)])"
    names = ["mlflow", "dvc", "pandas", "matplotlib", "plotly", "sklearn", "pip", "setuptools"]
    tools = "for t in cc gcc make pip git; do command -v $t; done; true"
    for one in composed.containers("stream", "api"):
        assert docker("exec", one["Id"], "python", "-c", code.format(names)).strip() == "[]"
        assert docker("exec", one["Id"], "sh", "-c", tools) == ""


def test_a_client_outside_gets_a_score_for_each_impression(composed: Composed, log: Path, bundle: Path) -> None:
    """5,000 impressions to the published port, 5,000 scores from it, each equal to the batch path's."""
    assert composed.ctr("produce", str(log), "--limit", str(ROWS))["messages"] == ROWS
    assert scores(composed, ROWS) == ROWS
    report = composed.ctr("verify", "--bundle", str(bundle))
    assert (report["impressions"], report["parity_compared"], report["lost"], report["duplicates"]) == (
        ROWS,
        ROWS,
        0,
        0,
    )


def test_the_api_answers(composed: Composed, log: Path) -> None:
    """GET /predict with an impression's fields."""
    fields = json.loads(next(iter(logs.messages(log))).value)
    answer = composed.get("API_PORT", f"/predict?{urlencode(fields)}")
    first = answer[0] if isinstance(answer, list) else answer
    assert 0 < first["click_proba"] < 1


def test_prometheus_scrapes_every_target(composed: Composed) -> None:
    """Workers, API and itself are up."""

    def is_up() -> bool:
        targets = composed.get("PROMETHEUS_PORT", "/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets} >= {"worker", "api"} and all(
            target["health"] == "up" for target in targets
        )

    eventually(is_up)


def test_the_training_is_tracked(composed: Composed) -> None:
    """MLflow knows the run, and its artifacts are on S3."""
    body = json.dumps({"max_results": 10}).encode()
    url = f"http://127.0.0.1:{composed.variables['MLFLOW_PORT']}/api/2.0/mlflow/experiments/search"
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10) as answer:
        experiments = json.load(answer)["experiments"]
    assert any(one["artifact_location"].startswith("mlflow-artifacts:") for one in experiments)
    assert len(experiments) > 1, "only the default experiment is there: no training was tracked"


def test_nothing_is_lost_when_containers_die_under_load(composed: Composed, log: Path, bundle: Path) -> None:
    """Three workers, one killed with -9, Redis and Kafka restarted: every score is there, and every count exact."""
    composed.run("up", "--detach", "--no-build", "--no-recreate", "--scale", "stream=3", "stream")
    composed.wait_until_healthy()
    workers = composed.containers("stream")
    assert len(workers) == 3
    producing = composed.start_ctr("produce", str(log), "--rate", "150", "--json")
    time.sleep(5)
    # All processes of the container but its init: what the kernel does when memory runs out.
    kill = ["docker", "exec", workers[0]["Id"], "python", "-c", "import os; os.kill(-1, 9)"]
    subprocess.run(kill, check=False, capture_output=True)
    time.sleep(5)
    composed.run("restart", "redis")
    time.sleep(5)
    composed.run("restart", "kafka")
    out, err = producing.communicate(timeout=PATIENCE)
    assert producing.returncode == 0, err
    assert json.loads(out)["messages"] == 2 * ROWS
    scores(composed, ROWS + 2 * ROWS)
    composed.wait_until_healthy()
    assert docker("inspect", "--format", "{{.RestartCount}}", workers[0]["Id"]).strip() != "0"
    report = composed.ctr("verify", "--bundle", str(bundle))
    assert (report["impressions"], report["parity_compared"]) == (3 * ROWS, 3 * ROWS)
    assert [report[name] for name in ("lost", "unexpected", "differing_duplicates", "parity_mismatches")] == [0] * 4


def test_replay_makes_dashboards_move(composed: Composed) -> None:
    """The profile `replay` produces impressions, by and by."""

    def scored() -> float:
        answer = composed.get("PROMETHEUS_PORT", f"/api/v1/query?{urlencode({'query': 'sum(ctr_scores_total)'})}")
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    before = scored()
    composed.run("--profile", "replay", "up", "--detach", "--no-build", "--no-recreate", "replay")
    eventually(lambda: scored() > before + 100)


def test_no_secret_is_in_a_log(composed: Composed) -> None:
    """What the services say can be shown to others."""
    said = composed.run("logs", "--no-color")
    secrets = [value for name, value in composed.variables.items() if name.endswith(("_PASSWORD", "_SECRET_KEY"))]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in said]
