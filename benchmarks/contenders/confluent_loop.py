"""A hand-written loop on confluent-kafka, as a good engineer would write it: batches all the way, one Lua call each."""

import time
from collections.abc import Callable, Sequence

import redis

from benchmarks.contenders import loop, options, scoring
from features.windows import Counts
from schemas.impression import Impression

BATCH = 2000


def main() -> None:
    """Run until SIGTERM."""
    given = options.parse()
    count = counter(given.redis, given.group)
    encode = scoring.encoder(given.bundle)

    def answer(messages: loop.Messages) -> list[loop.Out]:
        decoded = [(message, scoring.decode(message.value())) for message in messages]
        taken = [(message, one) for message, one in decoded if one is not None]
        shown = [one for _, one in taken]
        places = [(message.partition(), message.offset()) for message, _ in taken]
        scores = encode(shown, places, count(shown), time.time())
        return [(message.key(), score) for (message, _), score in zip(taken, scores, strict=True)]

    loop.run(given.bootstrap, given.group, given.impressions, given.scores, BATCH, answer)


def counter(url: str, prefix: str) -> Callable[[Sequence[Impression]], list[Counts]]:
    """The function that counts a batch in one Lua call, and waits for it."""
    run = redis.Redis.from_url(url).register_script(scoring.lua_source())

    def count(shown: Sequence[Impression]) -> list[Counts]:
        asked = scoring.wanted(f"{prefix}:", shown)
        return scoring.counts_of(asked, run(*scoring.lua(asked))) if shown else []

    return count


if __name__ == "__main__":
    main()
