"""Requests a second and p99 of GET /predict: one process, two, without gathering, and the naive handler.

    python -m benchmarks.api LOG BUNDLE

LOG's first rows are counted in a Redis of its own, then asked about over connections that are kept open. The generator
and Redis run on the same machine. Results: a table, and out/bench/api.json.
"""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from features.keys import keys
from local import folder, valkey
from replay import log as logs
from schemas import hours, impression
from store.apply import applier
from store.batch import Observation
from store.client import connect
from store.keyspace import Source
from store.settings import StoreSettings

ROWS = 20_000
SECONDS, WARM_UP, TRIALS = 3.0, 0.5, 3
CONNECTIONS = (1, 32)
_UVICORN = ("-m", "uvicorn", "--port", "0", "--no-access-log")
SERVERS: dict[str, tuple[str, ...]] = {
    "one process": ("-m", "cli", "api", "--port", "0"),
    "two processes": ("-m", "cli", "api", "--port", "0", "--processes", "2"),
    "one process, not gathered": (*_UVICORN, "--factory", "benchmarks.contenders.single_api:make_app"),
    "naive handler, one process": (*_UVICORN, "--factory", "benchmarks.contenders.naive_api:make_app"),
}


class Measured(NamedTuple):
    """One trial."""

    server: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the server's processes, a request: what a busy machine changes least


@contextmanager
def serving(command: Sequence[str], environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """A server's address and process while it runs."""
    process = subprocess.Popen(
        [sys.executable, *command], env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, wanted = "", 2 if "2" in command else 1
        while said.count("startup complete") < wanted or not re.search(r"running on (http://\S+)", said):
            line = process.stdout.readline().decode() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{' '.join(command)} did not start: {said}")
            said += line
        yield re.findall(r"running on (http://[\d.:]+)", said)[0], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate()


async def ask(url: str, requests: Sequence[bytes], connections: int) -> list[tuple[float, float]]:
    """Ask over so many connections, each one request after the other; when each answer was there and what it took."""
    address, found = urlsplit(url), []
    todo, end = iter(requests), time.perf_counter() + WARM_UP + SECONDS

    async def work() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for request in todo:
            begun = time.perf_counter()
            if begun > end:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            answered = time.perf_counter()
            found.append((answered, answered - begun))
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return found


def measure(server: str, url: str, process: psutil.Process, requests: Sequence[bytes], connections: int) -> Measured:
    """One trial."""
    before = cpu_seconds(process)
    found = asyncio.run(ask(url, requests, connections))
    used = cpu_seconds(process) - before
    milliseconds = [took * 1000 for at, took in found if at > found[-1][0] - SECONDS]
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return Measured(server, connections, len(milliseconds) / SECONDS, float(p50), float(p99), used / len(found) * 1e6)


def cpu_seconds(process: psutil.Process) -> float:
    """What a server's processes have used so far."""
    used = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in used))


async def count(payloads: Sequence[bytes], settings: StoreSettings) -> None:
    """Count the rows, so that the counts that are asked for are there."""
    client = connect(settings)
    apply = applier(client, settings)
    shown = [impression.decode(payload) for payload in payloads]
    seen = [Observation(offset, hours.index(one.hour), keys(one)) for offset, one in enumerate(shown)]
    for start in range(0, len(seen), 1000):
        part = seen[start : start + 1000]
        await apply(Source("impressions", 0), part[-1].offset, part, start, 0)
    await client.aclose()


def trials(log: Path, bundle: Path) -> Iterator[Measured]:
    """Every server in turn, then all again."""
    payloads = [row.value or b"" for row in islice(logs.messages(log), ROWS)]
    queries = [urlencode(msgspec.json.decode(payload)) for payload in payloads]
    requests = [f"GET /predict?{query} HTTP/1.1\r\nhost: bench\r\n\r\n".encode() for query in queries] * 5
    with folder.owned() as place:
        redis = valkey.start(place)
        try:
            asyncio.run(count(payloads, StoreSettings(redis_url=redis.address)))
            environment = {"BUNDLE": str(bundle), "REDIS_URL": redis.address, "API_LOG_FORMAT": "json"}
            for _ in range(TRIALS):
                for server, command in SERVERS.items():
                    with serving(command, environment) as (url, process):
                        for connections in CONNECTIONS:
                            yield measure(server, url, process, requests, connections)
        finally:
            redis.kill()


def main(log: Path, bundle: Path) -> None:
    """Measure and show the medians."""
    measured = list(trials(log, bundle))
    columns = ("server", "connections", "requests/s", "p50 ms", "p99 ms", "CPU us a request")
    table = Table(*columns, title=f"GET /predict, median of {TRIALS}")
    medians = []
    for server in SERVERS:
        for connections in CONNECTIONS:
            own = [one for one in measured if (one.server, one.connections) == (server, connections)]
            figures = [statistics.median(column) for column in list(zip(*own, strict=True))[2:]]
            medians.append(Measured(server, connections, *figures))
            table.add_row(
                server,
                str(connections),
                f"{figures[0]:,.0f}",
                f"{figures[1]:.2f}",
                f"{figures[2]:.2f}",
                f"{figures[3]:.0f}",
            )
    Console().print(table)
    out = Path("out/bench")
    out.mkdir(parents=True, exist_ok=True)
    shown = {"median": [one._asdict() for one in medians], "trials": [one._asdict() for one in measured]}
    (out / "api.json").write_bytes(msgspec.json.format(msgspec.json.encode(shown)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
