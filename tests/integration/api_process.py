"""The API as a process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from system import PATIENCE, eventually


@dataclass(frozen=True)
class Running:
    """An API that answers."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def end(self) -> bool:
        """Ask it to end; whether it ended as asked: uvicorn finishes, then lets the signal have its way."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE) in {0, -signal.SIGTERM}


@contextmanager
def running(
    bundle: Path, redis_url: str, folder: Path, *options: str, command: tuple[str, ...] = (), **settings: str
) -> Iterator[Running]:
    """An API process over a bundle and a Redis; killed when the block ends, if it still lives."""
    log = folder / "api.log"
    environment = {**os.environ, "BUNDLE": str(bundle), "REDIS_URL": redis_url, **settings}
    arguments = command or ("-m", "cli", "api", "--port", "0", *options)
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=file, stderr=file)
    try:
        address = re.compile(rb"running on (http://127\.0\.0\.1:\d+)")

        def answers() -> bool:
            said = log.read_bytes()
            assert process.poll() is None, said.decode()
            return b"startup complete" in said and bool(address.search(said))

        eventually(answers)
        yield Running(address.findall(log.read_bytes())[0].decode(), process, log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
