"""Recompute every score on the batch path and compare it, bit for bit."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from features.keys import Key, keys
from features.windows import COUNT_NAMES, Counts, State, observe
from model.bundle import Bundle
from replay.consume import Read
from schemas import hours, impression, score
from schemas.errors import DecodeError, Reason
from schemas.impression import Impression
from schemas.score import Score

CountedScore = score.struct_of(COUNT_NAMES)
Place = tuple[int, int]  # partition and offset of an impression
SHOWN_DIFFERENCES = 10
_CHUNK = 2000  # scores predicted at once


class Difference(msgspec.Struct, frozen=True):
    """A field of a score that is not what the batch path gives."""

    partition: int
    offset: int
    field: str
    scored: object
    expected: object


class Report(msgspec.Struct, frozen=True):
    """What `verify` found. Everything is well when `ok`."""

    impressions: int  # messages of the impressions topic, broken ones too
    scores: int  # distinct ones
    dead_letters: int  # distinct ones
    duplicates: int  # scores beyond the first of an impression
    differing_duplicates: int  # of these, not equal to the first in all but scored_at
    lost: int  # messages with neither a score nor a dead letter
    unexpected: int  # scores or dead letters that should not be: of no message, of the wrong kind, altered
    degraded: int  # scores made with empty counts, because Redis was away and the operator chose so
    parity_compared: int
    parity_mismatches: int  # compared scores with any difference
    differences: tuple[Difference, ...]  # the first few

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, nothing differs and nothing is there that should not be."""
        return not (self.lost or self.unexpected or self.differing_duplicates or self.parity_mismatches)


def verify(
    bundle: Bundle,
    impressions: Sequence[Read],
    scores: Sequence[Read],
    dead_letters: Sequence[Read],
    progress: Callable[[int], None] = lambda scores: None,
) -> Report:
    """Compare the scores of a topic with what the batch path computes from its impressions, counts starting empty.

    The scores are taken in the order in which the store counted their impressions (batch, offset); the counts are
    recomputed in memory by `features`, as the trainer does. A degraded score is compared with what empty counts give.
    When its impression was counted later nobody can tell, so other scores of the same entities are left out of the
    comparison.

    Raises:
        msgspec.ValidationError: a score can not be read.
    """
    shown, broken = _decoded(impressions)
    distinct, duplicates, differing = _distinct(scores)
    rejected = {_place_of(letter) for letter in dead_letters}
    failed = {_place_of(letter): batch for letter in dead_letters if (batch := _batch_of(letter)) is not None}
    missing = (shown.keys() - distinct.keys() - failed.keys()) | (broken - rejected)
    unexpected = (distinct.keys() - shown.keys()) | (rejected - broken - (failed.keys() & shown.keys()))
    unexpected |= (failed.keys() & distinct.keys()) | _altered(impressions, scores, dead_letters)
    counted: list[_Counted] = [
        (found.batch, found.offset, place, found) for place, found in distinct.items() if place in shown
    ]
    counted += [(batch, place[1], place, None) for place, batch in failed.items() if place in shown]
    counted.sort(key=lambda one: one[:3])
    unsure = _keys_of_degraded(shown, distinct)
    differences: list[Difference] = []
    mismatches = 0
    compared = 0
    for found in _compare(bundle, counted, shown, unsure, progress):
        compared += 1
        mismatches += bool(found)
        differences += found[: SHOWN_DIFFERENCES - len(differences)]
    return Report(
        impressions=len(impressions),
        scores=len(distinct),
        dead_letters=len(rejected),
        duplicates=duplicates,
        differing_duplicates=differing,
        lost=len(missing),
        unexpected=len(unexpected),
        degraded=sum(is_degraded(found) for found in distinct.values()),
        parity_compared=compared,
        parity_mismatches=mismatches,
        differences=tuple(differences),
    )


def is_degraded(found: Score) -> bool:
    """Whether the score was made with empty counts."""
    return bool(getattr(found, "degraded", False))


def _keys_of_degraded(shown: dict[Place, Impression], distinct: dict[Place, Score]) -> set[Key]:
    """The entities whose counts are not known at every moment: one of their impressions was counted some time later."""
    return {
        key
        for place, found in distinct.items()
        if is_degraded(found) and place in shown
        for key in keys(shown[place])
        if key is not None
    }


def _decoded(impressions: Sequence[Read]) -> tuple[dict[Place, Impression], set[Place]]:
    shown: dict[Place, Impression] = {}
    broken: set[Place] = set()
    for record in impressions:
        place = (record.partition, record.offset)
        try:
            shown[place] = impression.decode(record.value)
        except DecodeError:
            broken.add(place)
    return shown, broken


def _distinct(scores: Sequence[Read]) -> tuple[dict[Place, Score], int, int]:
    """The first score of each impression, the number of further ones, and how many of these differ from the first."""
    distinct: dict[Place, Score] = {}
    differing = 0
    for record in scores:
        found = score.decode(record.value or b"", CountedScore)
        first = distinct.setdefault((found.partition, found.offset), found)
        differing += msgspec.structs.replace(found, scored_at=first.scored_at) != first
    return distinct, len(scores) - len(distinct), differing


def _altered(impressions: Sequence[Read], scores: Sequence[Read], dead_letters: Sequence[Read]) -> set[Place]:
    """Impressions with a score under another key, or a dead letter with another key or value."""
    sent = {(record.partition, record.offset): record for record in impressions}
    altered = set()
    for letter in dead_letters:
        original = sent.get(_place_of(letter))
        if original and (letter.key, letter.value) != (original.key, original.value):
            altered.add(_place_of(letter))
    for record in scores:
        found = score.decode(record.value or b"", CountedScore)
        original = sent.get((found.partition, found.offset))
        if original and record.key != original.key:
            altered.add((found.partition, found.offset))
    return altered


def _place_of(letter: Read) -> Place:
    headers = dict(letter.headers)
    return int(headers["partition"]), int(headers["offset"])


def _batch_of(letter: Read) -> int | None:
    """The batch in which a dead letter's impression was counted, where only its scoring failed."""
    headers = dict(letter.headers)
    return int(headers["batch"]) if headers["reason"] == Reason.SCORING_FAILED.encode() else None


# Batch and offset, which order them; the place; the score, or None where scoring failed.
_Counted = tuple[int, int, Place, Score | None]


def _compare(
    bundle: Bundle,
    counted: Sequence[_Counted],
    shown: dict[Place, Impression],
    unsure: set[Key],
    progress: Callable[[int], None],
) -> Iterator[list[Difference]]:
    """The differences of each score that can be compared, mostly none."""
    state: State = {}
    for start in range(0, len(counted), _CHUNK):
        chunk: list[tuple[Score, Impression, Counts]] = []
        for _, _, place, found in counted[start : start + _CHUNK]:
            one = shown[place]
            entities = keys(one)
            counts = observe(state, entities, hours.index(one.hour))
            if found is not None and is_degraded(found):
                chunk.append((found, one, (0,) * len(counts)))
            elif found is not None and unsure.isdisjoint(entities):
                chunk.append((found, one, counts))
        probabilities = bundle.predict([bundle.build(one, counts) for _, one, counts in chunk]) if chunk else []
        for (found, one, counts), click_proba in zip(chunk, probabilities, strict=True):
            expected = _expected(found, one, counts, click_proba, bundle.version)
            yield [] if found == expected else _differences(found, expected)
        progress(len(chunk))


def _expected(found: Score, shown: Impression, counts: Counts, click_proba: float, version: str) -> Score:
    """The score as it should be; when it was made and in which batch is the stream's to say."""
    return CountedScore(
        shown.id,
        shown.device_ip,
        click_proba,
        version,
        shown.hour,
        found.scored_at,
        found.partition,
        found.offset,
        found.batch,
        *(*counts, is_degraded(found)),
    )


def _differences(found: Score, expected: Score) -> list[Difference]:
    return [
        Difference(found.partition, found.offset, name, getattr(found, name), getattr(expected, name))
        for name in CountedScore.__struct_fields__
        if getattr(found, name) != getattr(expected, name)
    ]
