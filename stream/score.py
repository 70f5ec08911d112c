"""Payloads in, scores and dead letters out. Pure: everything between the await for Redis and the await for Kafka."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from features.keys import keys
from features.windows import COUNT_NAMES
from model.bundle import Bundle
from schemas import dead_letter, hours, impression, score
from schemas.dead_letter import DeadLetter
from schemas.errors import DecodeError
from schemas.impression import Impression
from store.batch import Counted, Observation
from store.keyspace import Source
from stream.transport import Outgoing, Record

CountedScore = score.struct_of(COUNT_NAMES)

Encode = Callable[[Source, "Decoded", Sequence[Counted], float], list[Outgoing]]

_encode = msgspec.json.Encoder().encode


class Decoded(NamedTuple):
    """A record batch, taken apart: what can be scored, and what is rejected."""

    records: list[Record]  # those that hold an impression; beside them, in the same order:
    impressions: list[Impression]
    observations: list[Observation]
    rejected: list[tuple[Record, DeadLetter]]


def decode(source: Source, records: Sequence[Record]) -> Decoded:
    """The impressions and dead letters of a record batch. Never raises for what a message holds."""
    decoded = Decoded([], [], [], [])
    for record in records:
        try:
            found = impression.decode(record.value)
        except DecodeError as error:
            letter = dead_letter.rejected(
                record.key, record.value, error, source.topic, source.partition, record.offset
            )
            decoded.rejected.append((record, letter))
            continue
        decoded.records.append(record)
        decoded.impressions.append(found)
        decoded.observations.append(Observation(record.offset, hours.index(found.hour), keys(found)))
    return decoded


def encoder(bundle: Bundle) -> Encode:
    """The function that scores counted impressions and encodes the scores, in the order of the impressions.

    A score carries its impression's key and timestamp: the difference to the time of reading is the latency.
    """
    build, predict, version = bundle.build, bundle.predict, bundle.version

    def encode(source: Source, decoded: Decoded, counted: Sequence[Counted], now: float) -> list[Outgoing]:
        if not counted:
            return []
        probabilities = predict(
            [build(shown, answer.counts) for shown, answer in zip(decoded.impressions, counted, strict=True)]
        )
        partition = source.partition
        return [
            (
                record.key,
                _encode(
                    CountedScore(
                        shown.id,
                        shown.device_ip,
                        click_proba,
                        version,
                        shown.hour,
                        now,
                        partition,
                        record.offset,
                        batch,
                        *counts,
                    )
                ),
                record.timestamp,
                [],
            )
            for record, shown, click_proba, (batch, counts) in zip(
                decoded.records, decoded.impressions, probabilities, counted, strict=True
            )
        ]

    return encode


def encode_rejected(decoded: Decoded) -> list[Outgoing]:
    """The dead letters as records."""
    return [(letter.key, letter.value, record.timestamp, letter.headers) for record, letter in decoded.rejected]
