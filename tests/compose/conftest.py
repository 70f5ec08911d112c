"""The stack of docker-compose.yml, brought up once and taken down at the end: `make compose-test`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from composed import Composed

from local.server import free_ports

ROOT = Path(__file__).parents[2]
PORTS = ("KAFKA_PORT", "API_PORT", "MLFLOW_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
SMALL = {"TRAIN_ROWS": "20000", "PARTITIONS": "6"}


@pytest.fixture(scope="session")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """All services but `replay`, and but those whose image is neither there nor has a stand-in, all healthy.

    COMPOSE is the command: `docker compose`, `docker-compose`.
    """
    folder = tmp_path_factory.mktemp("compose")
    missing = subprocess.run(["deploy/standins/build.sh"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    settings = folder / "env"
    subprocess.run(
        ["make", "--silent", "--always-make", ".env", f"ENV={settings}"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    variables = dict(
        line.split("=", 1) for line in settings.read_text().splitlines() if "=" in line[:40] and line[0] != "#"
    )
    variables |= SMALL | dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    system = Composed(
        os.environ.get("COMPOSE", "docker compose").split(), ROOT, f"ctr-{os.getpid()}", variables, folder
    )
    left_out = {line.removeprefix("missing ").split("/")[0] for line in missing.stdout.splitlines()}
    services = [
        name for name in system.run("config", "--services").split() if name not in left_out and name != "replay"
    ]
    sys.stderr.write(f"left out, for want of an image: {', '.join(sorted(left_out)) or 'nothing'}\n")
    try:
        system.run("up", "--detach", "--no-build", *services)
        system.wait_until_healthy()
        yield system
    finally:
        (ROOT / "out").mkdir(exist_ok=True)
        (ROOT / "out/compose-test.log").write_text(system.run("logs", "--no-color", check=False))
        system.run("--profile", "replay", "down", "--volumes", "--timeout", "10", check=False)
