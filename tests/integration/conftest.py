"""The servers that integration tests share: started once, where the environment does not name running ones."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
from system import System, deploy

from local import folder as folders
from local import stack as local
from local import valkey
from local.stack import BrokerName, Stack
from replay import log
from replay.log import Message
from trainer.simulate import simulate
from trainer.train import train


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A broker (BROKER: auto, kafka or tansu) and a Redis, or those of KAFKA_BOOTSTRAP_SERVERS and REDIS_URL."""
    with local.running(
        cast(BrokerName, os.environ.get("BROKER", "auto")),
        kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        redis_url=os.environ.get("REDIS_URL"),
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _kafka_only(request: pytest.FixtureRequest) -> None:
    """Skips what is marked kafka_only("why not on Tansu") when the stack's broker is Tansu."""
    marker = request.node.get_closest_marker("kafka_only")
    if marker and marker.args and request.getfixturevalue("stack").broker.name.startswith("tansu"):
        pytest.skip(marker.args[0])


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis alone, or that of REDIS_URL."""
    external = os.environ.get("REDIS_URL")
    if external:
        yield external
        return
    with folders.owned() as place:
        server = valkey.start(place)
        try:
            yield server.address
        finally:
            server.kill()


@pytest.fixture(scope="session")
def raw_redis(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of that Redis, to look at what the store keeps."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """Impressions over the end of a year."""
    path = tmp_path_factory.mktemp("log") / "log.csv"
    simulate(path, None, rows=40_000, seed=3, hours=30, start="14123018")
    return list(log.messages(path))


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle to serve."""
    folder = tmp_path_factory.mktemp("bundle")
    simulate(folder / "log.csv", None, rows=20_000, seed=4, hours=24, start="14122900")
    train(folder / "log.csv", 14123000, folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def system(stack: Stack, served_bundle: Path, tmp_path: Path) -> System:
    """A deployment for one test."""
    return deploy(stack, served_bundle, tmp_path)
