"""The plain Faust agent: counts by a Redis pipeline, as most would write it."""

from redis.asyncio import Redis

from benchmarks.contenders import faust_agent, scoring
from benchmarks.contenders.scoring import Wanted


def pipelined(client: Redis) -> faust_agent.Count:
    """The function that counts a batch in one pipeline."""

    async def count(asked: Wanted) -> list[int]:
        pipeline = client.pipeline(transaction=False)
        for name, hour in zip(asked.names, asked.hours, strict=True):
            pipeline.hincrby(name, str(hour), 1)
            pipeline.expire(name, scoring.TTL_SECONDS)
            pipeline.hgetall(name)
        return scoring.windows_of(asked, await pipeline.execute())

    return count


if __name__ == "__main__":
    faust_agent.run(pipelined)
