"""Scripts: sent by digest, and whole when Redis does not know them."""

import hashlib
from importlib.resources import files
from typing import Any

import pytest
from redis.exceptions import NoScriptError, ResponseError

from store.client import connect, script, scripts
from store.settings import StoreSettings

SOURCE = files("store").joinpath("apply.lua").read_text(encoding="utf-8")


class FakeRedis:
    """Knows EVAL and EVALSHA in pipelines, and forgets its scripts when told."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.trips: list[list[tuple[Any, ...]]] = []  # the commands of each round trip

    def pipeline(self, *, transaction: bool) -> "FakeRedis":
        """Begin a round trip."""
        assert not transaction
        self.trips.append([])
        return self

    def execute_command(self, *command: Any) -> None:
        """Add a command to it."""
        self.trips[-1].append(command)

    async def execute(self, *, raise_on_error: bool) -> list[list[bytes] | Exception]:
        """Answer EVAL and EVALSHA as Redis does."""
        assert not raise_on_error
        return [self._answer(*command) for command in self.trips[-1]]

    def _answer(self, name: str, script: str, _: int, *arguments: Any) -> list[bytes] | Exception:
        if name == "EVALSHA" and script not in self.known:
            return NoScriptError()
        if name == "EVAL":
            self.known.add(hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest())
        if b"wrong" in arguments:
            return ResponseError("wrong")
        return [b"answer to", *arguments]


async def test_a_script_is_loaded_once_and_again_when_redis_forgot_it() -> None:
    """The digest is tried first; the source goes over the wire only where it is unknown."""
    redis = FakeRedis()
    run = script(redis, "apply.lua")  # type: ignore[arg-type]
    assert await run((["k1", "k2"], [1, b"x"])) == [b"answer to", "k1", "k2", 1, b"x"]
    assert await run((["k1"], [])) == [b"answer to", "k1"]
    redis.known.clear()
    assert await run((["k1"], [])) == [b"answer to", "k1"]
    assert [name for ((name, *_),) in redis.trips] == ["EVALSHA", "EVAL", "EVALSHA", "EVALSHA", "EVAL"]
    assert redis.trips[1] == [("EVAL", SOURCE, 2, "k1", "k2", 1, b"x")]


async def test_several_calls_of_a_script_are_one_round_trip() -> None:
    """Each gets its own answer or error, in order, also where the script was not known yet."""
    redis = FakeRedis()
    run_all = scripts(redis, "apply.lua")  # type: ignore[arg-type]
    for trips in (2, 3):
        one, wrong, other = await run_all([(["k1"], [1]), (["k2"], [b"wrong"]), (["k3"], [3])])
        assert (one, other) == ([b"answer to", "k1", 1], [b"answer to", "k3", 3])
        assert isinstance(wrong, ResponseError)
        assert len(redis.trips) == trips


async def test_a_script_of_its_own_raises_its_error() -> None:
    """What is an answer among several is raised where one was asked."""
    with pytest.raises(ResponseError, match="wrong"):
        await script(FakeRedis(), "apply.lua")((["k"], [b"wrong"]))  # type: ignore[arg-type]


async def test_connecting_sends_nothing() -> None:
    """A client for a Redis that is not there can be made and closed."""
    client = connect(StoreSettings(redis_url="redis://127.0.0.1:1/0"))
    await client.aclose()
