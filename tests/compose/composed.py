"""A running compose project: its containers, and its clients outside of them."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PATIENCE = 180.0  # seconds


@dataclass(frozen=True)
class Composed:
    """A project of a test's own."""

    command: list[str]  # docker compose, or docker-compose
    root: Path
    project: str
    variables: dict[str, str]
    folder: Path  # for what the test writes

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run compose; what it printed."""
        command = [*self.command, "--project-name", self.project, *arguments]
        ended = subprocess.run(
            command, cwd=self.root, env={**os.environ, **self.variables}, check=False, capture_output=True, text=True
        )
        assert not check or ended.returncode == 0, f"{' '.join(arguments)}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What Docker knows of the containers, ended ones too."""
        project = f"label=com.docker.compose.project={self.project}"
        found = docker("ps", "--all", "--quiet", "--filter", project).split()
        known = json.loads(docker("inspect", *found)) if found else []
        return [one for one in known if not services or service(one) in services]

    def wait_until_healthy(self) -> None:
        """Until every container that has a health check passes it, and the others ended well."""

        def unwell() -> list[str]:
            return [
                f"{service(one)}: {one['State']}"
                for one in self.containers()
                if one["State"].get("Health", {}).get("Status", "healthy") != "healthy"
                or (one["State"]["Status"] != "running" and one["State"]["ExitCode"] != 0)
            ]

        deadline = time.monotonic() + PATIENCE
        while unwell():
            assert time.monotonic() < deadline, unwell()
            time.sleep(1)

    def environment(self) -> dict[str, str]:
        """Of a client outside: the published Kafka port and its login."""
        return {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.variables['KAFKA_PORT']}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_USERNAME": self.variables["KAFKA_USERNAME"],
            "KAFKA_PASSWORD": self.variables["KAFKA_PASSWORD"],
        }

    def start_ctr(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command of ours as a client outside."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ctr(self, *arguments: str) -> dict[str, Any]:
        """Run a command of ours as a client outside; its JSON."""
        started = self.start_ctr(*arguments, "--json")
        out, err = started.communicate(timeout=PATIENCE)
        assert started.returncode == 0, f"{arguments}: {out}{err}"
        answer: dict[str, Any] = json.loads(out)
        return answer

    def get(self, port: str, path: str) -> Any:
        """JSON from a published port."""
        with urlopen(f"http://127.0.0.1:{self.variables[port]}{path}", timeout=10) as answer:
            return json.load(answer)


def docker(*arguments: str) -> str:
    """Run docker; what it printed."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def service(container: dict[str, Any]) -> str:
    """The service that a container belongs to."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])
