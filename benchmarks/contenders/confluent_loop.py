"""A hand-written loop on confluent-kafka, as a good engineer would write it: batches, Redis by a pipeline."""

import time

from benchmarks.contenders import counter, loop, options, scoring
from benchmarks.contenders.counter import Connect

BATCH = 2000


def main(connect: Connect) -> None:
    """Run until SIGTERM, with the counts of the function that `connect` makes."""
    given = options.parse()
    count = connect(given.redis, given.group)
    encode = scoring.encoder(given.bundle)

    def answer(messages: loop.Messages) -> list[loop.Out]:
        decoded = [(message, scoring.decode(message.value())) for message in messages]
        taken = [(message, one) for message, one in decoded if one is not None]
        shown = [one for _, one in taken]
        places = [(message.partition(), message.offset()) for message, _ in taken]
        scores = encode(shown, places, count(shown), time.time())
        return [(message.key(), score) for (message, _), score in zip(taken, scores, strict=True)]

    loop.run(given.bootstrap, given.group, given.impressions, given.scores, BATCH, answer)


if __name__ == "__main__":
    main(counter.pipelined)
