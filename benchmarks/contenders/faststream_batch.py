"""FastStream on confluent-kafka: a batch subscriber, one Lua call a batch, `publish_batch`.

The decoder hands over the client's own messages: FastStream's default one parses each message once more.
"""

import asyncio
import time
from collections.abc import Sequence

import redis.asyncio
from confluent_kafka import Message
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage, KafkaResponse
from faststream.confluent.helpers.config import ConfluentConfig

from benchmarks.contenders import options, scoring
from benchmarks.contenders.options import Options

BATCH = 2000
_CLIENT: ConfluentConfig = {"queued.min.messages": 100_000, "linger.ms": 20, "batch.size": 1_000_000}


def main() -> None:
    """Run until SIGTERM."""
    asyncio.run(make_app(options.parse()).run())


def make_app(given: Options) -> FastStream:
    """The app: one batch subscriber, which acks a batch when all its scores are confirmed."""
    broker = KafkaBroker(given.bootstrap, config=_CLIENT, apply_types=False, logger=None)
    run = redis.asyncio.Redis.from_url(given.redis).register_script(scoring.lua_source())
    encode = scoring.encoder(given.bundle)

    @broker.subscriber(
        given.impressions,
        group_id=given.group,
        batch=True,
        max_records=BATCH,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK,
        decoder=_untouched,
    )
    async def score(messages: Sequence[Message]) -> None:
        decoded = [(message, scoring.decode(message.value())) for message in messages]
        taken = [(message, one) for message, one in decoded if one is not None]
        shown = [one for _, one in taken]
        asked = scoring.wanted(f"{given.group}:", shown)
        counts = scoring.counts_of(asked, await run(*scoring.lua(asked)) if shown else [])
        places = [(message.partition(), message.offset()) for message, _ in taken]
        scores = encode(shown, places, counts, time.time())
        keyed = [KafkaResponse(value, key=message.key()) for (message, _), value in zip(taken, scores, strict=True)]
        await broker.publish_batch(*keyed, topic=given.scores)

    return FastStream(broker, logger=None)


async def _untouched(message: KafkaMessage) -> Sequence[Message]:
    return message.raw_message


if __name__ == "__main__":
    main()
