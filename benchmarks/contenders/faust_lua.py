"""The Faust agent with the counts of a batch in one Lua call: what its agents can give at best."""

from redis.asyncio import Redis

from benchmarks.contenders import faust_agent, scoring
from benchmarks.contenders.scoring import Wanted


def scripted(client: Redis) -> faust_agent.Count:
    """The function that counts a batch in one Lua call."""
    run = client.register_script(scoring.lua_source())

    async def count(asked: Wanted) -> list[int]:
        return list(await run(*scoring.lua(asked)))

    return count


if __name__ == "__main__":
    faust_agent.run(scripted)
