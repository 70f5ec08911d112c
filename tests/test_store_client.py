"""Scripts: sent by digest, and whole when Redis does not know them."""

import hashlib
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from store.client import connect, script
from store.settings import StoreSettings

SOURCE = files("store").joinpath("apply.lua").read_text(encoding="utf-8")


class FakeRedis:
    """Knows EVAL and EVALSHA, and forgets its scripts when told."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.commands: list[tuple[Any, ...]] = []

    async def execute_command(self, name: str, script: str, *arguments: Any) -> list[bytes]:
        """Answer EVAL and EVALSHA as Redis does."""
        self.commands.append((name, *arguments))
        if name == "EVALSHA" and script not in self.known:
            raise NoScriptError
        if name == "EVAL":
            self.known.add(hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest())
        return [b"answer"]


async def test_a_script_is_loaded_once_and_again_when_redis_forgot_it() -> None:
    """The digest is tried first; the source goes over the wire only where it is unknown."""
    redis = FakeRedis()
    run = script(redis, "apply.lua")  # type: ignore[arg-type]
    assert await run(["k1", "k2"], [1, b"x"]) == [b"answer"]
    assert await run(["k1"], []) == [b"answer"]
    redis.known.clear()
    assert await run(["k1"], []) == [b"answer"]
    assert [name for name, *_ in redis.commands] == ["EVALSHA", "EVAL", "EVALSHA", "EVALSHA", "EVAL"]
    assert redis.commands[1] == ("EVAL", 2, "k1", "k2", 1, b"x")


async def test_connecting_sends_nothing() -> None:
    """A client for a Redis that is not there can be made and closed."""
    client = connect(StoreSettings(redis_url="redis://127.0.0.1:1/0"))
    await client.aclose()
