"""Payloads in, scores and dead letters out. Pure: everything between the await for Redis and the await for Kafka."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import NamedTuple

import msgspec

from features.keys import keys
from features.windows import COUNT_NAMES
from model.bundle import Bundle
from model.rows import Rows, rows
from schemas import dead_letter, hours, impression, score
from schemas.dead_letter import DeadLetter
from schemas.errors import DecodeError, Reason, ScoringError
from schemas.impression import Impression
from store.batch import Counted, Observation
from store.keyspace import Source
from stream.transport import Outgoing, Record

CountedScore = score.struct_of(COUNT_NAMES)

Stage = Callable[[str], AbstractContextManager[object]]
Observe = Callable[[Sequence[Impression], Rows, Sequence[float]], None]
Encode = Callable[[Sequence["Batch"], float], list["Scored"]]

# What stands for the store's answer in degraded mode; the store's own batches are numbered from 1 on.
NOT_COUNTED = Counted(0, (0,) * len(COUNT_NAMES))

_encode = msgspec.json.Encoder().encode


class Decoded(NamedTuple):
    """A record batch, taken apart: what can be scored, and what is rejected."""

    records: list[Record]  # those that hold an impression; beside them, in the same order:
    impressions: list[Impression]
    observations: list[Observation]
    rejected: list[tuple[Record, DeadLetter]]


class Batch(NamedTuple):
    """A record batch that was counted."""

    source: Source
    decoded: Decoded
    counted: Sequence[Counted]  # one an impression


class Scored(NamedTuple):
    """What goes out for counted impressions: scores, and dead letters of those on which scoring failed."""

    scores: list[Outgoing]
    rejected: list[Outgoing]


def decode(source: Source, records: Sequence[Record]) -> Decoded:
    """The impressions and dead letters of a record batch. Never raises for what a message holds."""
    decoded = kept, impressions, observations, rejected = Decoded([], [], [], [])
    for record in records:
        try:
            found = impression.decode(record.value)
        except DecodeError as error:
            letter = dead_letter.rejected(
                record.key, record.value, error, source.topic, source.partition, record.offset
            )
            rejected.append((record, letter))
            continue
        kept.append(record)
        impressions.append(found)
        observations.append(Observation(record.offset, hours.index(found.hour), keys(found)))
    return decoded


def encoder(bundle: Bundle, stage: Stage = nullcontext, observe: Observe = lambda *_: None) -> Encode:
    """The function that scores the counted impressions of record batches and encodes the scores, in their order.

    A score carries its impression's key and timestamp: the difference to the time of reading is the latency. An
    impression on which our own code fails is set apart by halving what is scored at once; the others are scored.

    Args:
        bundle: what scores.
        stage: gives the context in which a stage runs, to time it.
        observe: told of the impressions, rows and probabilities of each predict call.
    """

    def predict(impressions: Sequence[Impression], counted: Sequence[Counted]) -> list[float]:
        with stage("features"):
            made = rows(bundle.build, impressions, [answer.counts for answer in counted])
        with stage("predict"):
            found = bundle.predict(made)
        observe(impressions, made, found)
        return found

    def encode(batches: Sequence[Batch], now: float) -> list[Scored]:
        impressions = [shown for batch in batches for shown in batch.decoded.impressions]
        click_probas = iter(_click_probas(predict, impressions, [one for batch in batches for one in batch.counted]))
        return [_scored(bundle.version, batch, click_probas, now) for batch in batches]

    return encode


def _scored(version: str, batch: Batch, click_probas: Iterator[float | Exception], now: float) -> Scored:
    """The batch's scores and dead letters; takes its click probabilities off those of all batches."""
    scored, (source, decoded, counted) = Scored([], []), batch
    taken = islice(click_probas, len(counted))
    for record, shown, answer, click_proba in zip(decoded.records, decoded.impressions, counted, taken, strict=True):
        if isinstance(click_proba, Exception):
            letter = _failed(source, record, answer.batch, click_proba)
            scored.rejected.append((letter.key, letter.value, record.timestamp, letter.headers))
            continue
        found = CountedScore(
            shown.id,
            shown.device_ip,
            click_proba,
            version,
            shown.hour,
            now,
            source.partition,
            record.offset,
            answer.batch,
            *(*answer.counts, answer.batch == NOT_COUNTED.batch),
        )
        scored.scores.append((record.key, _encode(found), record.timestamp, []))
    return scored


def _click_probas(
    predict: Callable[[Sequence[Impression], Sequence[Counted]], list[float]],
    impressions: Sequence[Impression],
    counted: Sequence[Counted],
) -> Sequence[float | Exception]:
    """The click probability of each, or what was raised by it alone."""
    if not impressions:
        return []
    try:
        return predict(impressions, counted)
    except Exception as error:  # a fault of ours, or of a library: it must not stop the stream
        if len(impressions) == 1:
            return [error]
        half = len(impressions) // 2
        return [
            *_click_probas(predict, impressions[:half], counted[:half]),
            *_click_probas(predict, impressions[half:], counted[half:]),
        ]


def _failed(source: Source, record: Record, batch: int, error: Exception) -> DeadLetter:
    """The dead letter of an impression that was counted, in the batch with this number, and could not be scored."""
    last_line = traceback.format_exception_only(error)[-1].strip()
    reason = ScoringError(Reason.SCORING_FAILED, None, last_line)
    letter = dead_letter.rejected(record.key, record.value, reason, source.topic, source.partition, record.offset)
    return DeadLetter(letter.key, letter.value, [*letter.headers, ("batch", str(batch).encode())])


def encode_rejected(decoded: Decoded) -> list[Outgoing]:
    """The dead letters as records."""
    return [(letter.key, letter.value, record.timestamp, letter.headers) for record, letter in decoded.rejected]


def count_reasons(decoded: Decoded, scored: Scored) -> Counter[str]:
    """How many dead letters a record batch has, by reason."""
    reasons = Counter(dict(letter.headers)["reason"].decode() for _, letter in decoded.rejected)
    reasons[Reason.SCORING_FAILED] += len(scored.rejected)
    return +reasons
