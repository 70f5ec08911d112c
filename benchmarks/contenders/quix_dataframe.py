"""Quix Streams as its manual teaches it: a StreamingDataFrame, a function applied to each message, `to_topic`.

Its batching is the client's (fetches, linger) and the checkpoint's; Redis and model see one impression at a time,
because a dataframe hands over one. Batches by `tumbling_count_window(...).collect()` are a key's own, and a key here
is one device. `quix_sink` does what a dataframe can not.
"""

import tempfile
import time
from typing import Any

from quixstreams import Application, message_context

from benchmarks.contenders import counter, options, scoring

BATCH = 8000  # messages a checkpoint
CONSUMER = {"max.partition.fetch.bytes": 4_194_304, "queued.min.messages": 100_000}
PRODUCER = {"linger.ms": 20, "batch.size": 1_000_000}


def main() -> None:
    """Run until SIGTERM."""
    given = options.parse()
    app = make_app(given)
    count = counter.scripted(given.redis, given.group)
    encode = scoring.encoder(given.bundle)

    def score(value: bytes) -> Any:
        shown = scoring.decode(value)
        if shown is None:
            return None
        context = message_context()
        (scored,) = encode([shown], [(context.partition, context.offset)], count([shown]), time.time())
        return scored

    source = app.topic(given.impressions, value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic(given.scores, value_serializer="bytes", key_serializer="bytes")
    scores = app.dataframe(source).apply(score)
    scores.filter(lambda scored: scored is not None).to_topic(target)
    app.run()


def make_app(given: options.Options) -> Application:
    """The application, set for throughput."""
    return Application(
        broker_address=given.bootstrap,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        commit_every=BATCH,
        commit_interval=0.5,
        auto_create_topics=False,
        use_changelog_topics=False,
        consumer_extra_config=CONSUMER,
        producer_extra_config=PRODUCER,
        state_dir=tempfile.mkdtemp(),
    )


if __name__ == "__main__":
    main()
