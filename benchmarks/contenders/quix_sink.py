"""Quix Streams by a custom `BatchingSink`, which its manual gives for writing many messages to a service at once.

A checkpoint every BATCH messages hands the sink what came since, one batch a partition. Keys and values stay bytes,
and the sink decodes them: less work a message than any serializer of Quix' own.
"""

import time

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.contenders import counter, options, scoring
from benchmarks.contenders.counter import Connect, Count
from benchmarks.contenders.quix_dataframe import make_app


def main(connect: Connect) -> None:
    """Run until SIGTERM, with the counts of the function that `connect` makes."""
    given = options.parse()
    app = make_app(given)
    topic = app.topic(given.impressions, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).sink(ScoringSink(app, given, connect(given.redis, given.group)))
    app.run()


class ScoringSink(BatchingSink):
    """Counts, scores and produces the messages of a checkpoint."""

    def __init__(self, app: Application, given: options.Options, count: Count) -> None:
        super().__init__()
        self._producer = app.get_producer()
        self._count = count
        self._encode = scoring.encoder(given.bundle)
        self._topic = given.scores

    def write(self, batch: SinkBatch) -> None:
        """Score one partition's messages."""
        decoded = [(item, scoring.decode(item.value)) for item in batch]
        taken = [(item, one) for item, one in decoded if one is not None]
        shown = [one for _, one in taken]
        places = [(batch.partition, item.offset) for item, _ in taken]
        scores = self._encode(shown, places, self._count(shown), time.time())
        for (item, _), value in zip(taken, scores, strict=True):
            self._producer.produce(self._topic, value=value, key=item.key)

    def flush(self) -> None:
        """Score all, and wait until the broker has the scores: the checkpoint commits next."""
        super().flush()  # type: ignore[no-untyped-call]  # shipped so
        self._producer.flush()


if __name__ == "__main__":
    main(counter.pipelined)
