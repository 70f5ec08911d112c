"""The servers that integration tests share: started once, where the environment does not name running ones."""

import os
from collections.abc import Iterator
from typing import cast

import pytest
import redis

from local import folder as folders
from local import stack as local
from local import valkey
from local.stack import BrokerName, Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A broker (BROKER: auto, kafka or tansu) and a Redis, or those of KAFKA_BOOTSTRAP_SERVERS and REDIS_URL."""
    with local.running(
        cast(BrokerName, os.environ.get("BROKER", "auto")),
        kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        redis_url=os.environ.get("REDIS_URL"),
    ) as running:
        yield running


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
