"""Payloads in, scores and dead letters out."""

import json
from collections.abc import Sequence
from pathlib import Path

import fakes
import msgspec
import strategies
from fakes import NOW, SOURCE, MemoryStore, records
from hypothesis import given, settings
from hypothesis import strategies as st

from features.keys import keys
from features.windows import COUNT_NAMES
from model.bundle import Bundle
from replay.broken import KINDS
from schemas import hours, impression
from schemas.impression import encode
from store.batch import Counted, Observation
from stream import score
from stream.score import CountedScore
from stream.transport import Outgoing

GOLDEN = Path(__file__).parent / "golden"


def scores_of(served: Bundle, values: list[bytes | None]) -> tuple[score.Decoded, list[Outgoing], list[Outgoing]]:
    """One record batch on its way through the stream: decoded, its scores, its dead letters."""
    decoded = score.decode(SOURCE, records(values, first=100))
    counted = MemoryStore().apply(decoded.observations)
    return decoded, scored_by(score.encoder(served), decoded, counted, NOW).scores, score.encode_rejected(decoded)


def scored_by(
    encode_batches: score.Encode, decoded: score.Decoded, counted: Sequence[Counted], now: float
) -> score.Scored:
    """What becomes of one record batch of SOURCE."""
    (found,) = encode_batches([score.Batch(SOURCE, decoded, counted)], now)
    return found


def test_a_scores_bytes_are_the_agreed_ones() -> None:
    """The stream writes exactly golden/score.json."""
    golden = (GOLDEN / "score.json").read_bytes()
    expected = json.loads(golden)
    served = fakes.bundle()._replace(predict=lambda rows: [expected["click_proba"]] * len(rows))
    shown = fakes.impression(id=expected["id"], device_ip=expected["device_ip"], hour=expected["hour"])
    decoded = score.decode(SOURCE, records([encode(shown)], first=expected["offset"]))
    counted = [Counted(expected["batch"], tuple(expected[name] for name in COUNT_NAMES))]
    ((_, value, _, _),) = scored_by(score.encoder(served), decoded, counted, expected["scored_at"]).scores
    assert value == golden


def test_good_and_broken_messages_part_ways_in_order(bundle_: Bundle) -> None:
    """Of a mixed batch the scores come in the order of the impressions and the dead letters in theirs."""
    values: list[bytes | None] = []
    for number, (_, spoil) in enumerate(KINDS.values()):
        values += [encode(fakes.impression(id=str(number))), spoil(fakes.fields())]
    decoded, scores, letters = scores_of(bundle_, values)
    found = [score.score.decode(value or b"", CountedScore) for _, value, _, _ in scores]
    assert [one.id for one in found] == [str(number) for number in range(len(KINDS))]
    assert [one.offset for one in found] == list(range(100, 100 + len(values), 2))
    assert [(key, value) for key, value, _, _ in letters] == [
        (f"key {offset}".encode(), values[offset - 100]) for offset in range(101, 100 + len(values), 2)
    ]
    assert [dict(headers)["reason"].decode() for *_, headers in letters] == [reason for reason, _ in KINDS.values()]
    assert len(decoded.records) == len(decoded.impressions) == len(decoded.observations) == len(KINDS)


def test_a_dead_letter_says_where_its_message_was() -> None:
    """Topic, partition and offset of the message, and its own key, bytes and timestamp."""
    _, scores, ((key, value, timestamp, headers),) = scores_of(fakes.bundle(), [b'{"id": 1}'])
    assert scores == []
    assert (key, value, timestamp) == (b"key 100", b'{"id": 1}', 1_700_000_000_100)
    found = dict(headers)
    assert found["reason"] == b"missing_field"
    assert (found["topic"], found["partition"], found["offset"]) == (b"impressions", b"3", b"100")


def test_a_score_is_keyed_and_stamped_as_its_impression() -> None:
    """Key and timestamp are the impression record's own; a message without a key gives a score without one."""
    record = fakes.Record(7, 1234, None, encode(fakes.impression()))
    decoded = score.decode(SOURCE, [record])
    ((key, _, timestamp, headers),) = scored_by(
        score.encoder(fakes.bundle()), decoded, [Counted(1, (0,) * 6)], NOW
    ).scores
    assert (key, timestamp, headers) == (None, 1234, [])


def test_an_observation_is_offset_hour_and_keys() -> None:
    """What the store is asked to count, for each impression in order."""
    shown = [fakes.impression(hour=14103123), fakes.impression(hour=14110100, device_id="")]
    decoded = score.decode(SOURCE, records([encode(shown[0]), b"", encode(shown[1])], first=5))
    assert decoded.observations == [
        Observation(5, hours.index(14103123), keys(shown[0])),
        Observation(7, hours.index(14110100), keys(shown[1])),
    ]


def test_nothing_to_score_asks_no_model() -> None:
    """A batch of broken messages alone, or of none, gives no scores and no call of the model."""

    def never(rows: object) -> list[float]:
        raise AssertionError("asked for nothing")

    served = fakes.bundle()._replace(predict=never)
    assert scores_of(served, [b"", None])[1] == []
    assert scores_of(served, [])[1:] == ([], [])


@given(st.lists(strategies.sequences(min_size=1, max_size=8), min_size=1, max_size=3))
@settings(max_examples=30)
def test_scores_match_the_bundle_asked_directly(bundle_: Bundle, sequences: list[list[impression.Impression]]) -> None:
    """Every field of every score is what keys, counts, row and model give one impression at a time."""
    store, by_hand = MemoryStore(), MemoryStore()
    encode_scores = score.encoder(bundle_)
    for number, sequence in enumerate(sequences, start=1):
        decoded = score.decode(SOURCE, records([encode(shown) for shown in sequence], first=number * 1000))
        outgoing = scored_by(encode_scores, decoded, store.apply(decoded.observations), NOW).scores
        for position, (shown, (_, value, _, _)) in enumerate(zip(sequence, outgoing, strict=True)):
            (answer,) = by_hand.apply([Observation(0, hours.index(shown.hour), keys(shown))])
            (click_proba,) = bundle_.predict([bundle_.build(shown, answer.counts)])
            assert score.score.decode(value or b"", CountedScore) == CountedScore(
                shown.id,
                shown.device_ip,
                click_proba,
                bundle_.version,
                shown.hour,
                NOW,
                SOURCE.partition,
                number * 1000 + position,
                number,
                *answer.counts,
            )


@given(st.lists(strategies.values(), max_size=8))
def test_every_message_ends_as_exactly_one_score_or_dead_letter(values: list[bytes | None]) -> None:
    """Whatever the bytes are nothing is raised, and each offset is answered once, by the right one of the two."""
    decoded, scores, letters = scores_of(fakes.bundle(), values)
    scored = [msgspec.json.decode(value or b"")["offset"] for _, value, _, _ in scores]
    dead = [int(dict(headers)["offset"]) for *_, headers in letters]
    assert scored == sorted(scored)
    assert dead == sorted(dead)
    assert sorted(scored + dead) == list(range(100, 100 + len(values)))
    assert [value for _, value, _, _ in letters] == [values[offset - 100] for offset in dead]
    assert [record.offset for record in decoded.records] == scored


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_bytes_never_raise(values: list[bytes | None]) -> None:
    """Random bytes are dead letters that hold them untouched."""
    _, _, letters = scores_of(fakes.bundle(), values)
    assert [value for _, value, _, _ in letters] == values


def test_a_redelivered_batch_gives_the_same_bytes_but_for_scored_at(bundle_: Bundle) -> None:
    """With the store's same answers a second scoring differs in scored_at alone, with other batch borders too."""
    values = [encode(shown) for shown in fakes.click_log(20)]
    decoded = score.decode(SOURCE, records(values))
    counted = MemoryStore().apply(decoded.observations)
    first = scored_by(score.encoder(bundle_), decoded, counted, NOW).scores
    again: list[Outgoing] = []
    for start, stop in ((0, 1), (1, 13), (13, 20)):
        part = score.decode(SOURCE, records(values)[start:stop])
        again += scored_by(score.encoder(bundle_), part, counted[start:stop], NOW).scores
    assert again == first
    later = scored_by(score.encoder(bundle_), decoded, counted, NOW + 1).scores
    assert later != first
    changed = [(key, (value or b"").replace(b"1700000001.25", b"1700000000.25"), *rest) for key, value, *rest in later]
    assert changed == first


def poisoned(served: Bundle, poison: set[str]) -> Bundle:
    """The bundle, but that building the row of an impression with one of these ids raises."""

    def build(shown: impression.Impression, counts: tuple[int, ...]) -> list[float]:
        if shown.id in poison:
            raise ZeroDivisionError(f"poison in {shown.id}")
        return served.build(shown, counts)

    return served._replace(build=build)


@given(st.lists(st.integers(0, 4), max_size=4), st.sets(st.integers(0, 12), max_size=3))
@settings(max_examples=30)
def test_batches_that_are_scored_together_get_what_each_gets_alone(
    bundle_: Bundle, sizes: list[int], poison: set[int]
) -> None:
    """Of any partitions and sizes, with broken messages and impressions on which scoring fails among them."""
    served, batches, number = poisoned(bundle_, {str(number) for number in poison}), [], 0
    for partition, size in enumerate(sizes):
        source = SOURCE._replace(partition=partition)
        values: list[bytes | None] = [encode(fakes.impression(id=str(number + at), C14=at)) for at in range(size)]
        decoded = score.decode(source, records([*values, b"{}"], first=number))
        batches.append(score.Batch(source, decoded, MemoryStore().apply(decoded.observations)))
        number += size
    encode_batches = score.encoder(served)
    assert encode_batches(batches, NOW) == [encode_batches([batch], NOW)[0] for batch in batches]


@given(st.sets(st.integers(0, 11), max_size=12))
@settings(max_examples=30)
def test_an_impression_on_which_scoring_fails_is_set_apart(bundle_: Bundle, poison: set[int]) -> None:
    """Any of a batch may fail: they are dead letters with the error's last line, the others get their usual scores."""
    shown = [fakes.impression(id=str(number)) for number in range(12)]
    decoded = score.decode(SOURCE, records([encode(one) for one in shown]))
    counted = MemoryStore().apply(decoded.observations)
    served = poisoned(bundle_, {str(number) for number in poison})
    scored = scored_by(score.encoder(served), decoded, counted, NOW)
    usual = scored_by(score.encoder(bundle_), decoded, counted, NOW).scores
    assert scored.scores == [one for number, one in enumerate(usual) if number not in poison]
    assert [value for _, value, _, _ in scored.rejected] == [encode(shown[number]) for number in sorted(poison)]
    for (_, _, _, headers), number in zip(scored.rejected, sorted(poison), strict=True):
        found = {name: value.decode() for name, value in headers}
        assert (found["reason"], found["offset"], found["batch"]) == ("scoring_failed", str(number), "1")
        assert found["detail"] == f"ZeroDivisionError: poison in {number}"
