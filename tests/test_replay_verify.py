"""Verification by replay: accepts what the stream makes, and finds every kind of corruption."""

import math
from collections.abc import Callable
from typing import Any

import fakes
import msgspec
import pytest
import strategies
from fakes import Streamed, streamed
from hypothesis import given, settings
from hypothesis import strategies as st

from features.windows import COUNT_NAMES, Counts
from model.bundle import Bundle
from replay.broken import KINDS
from replay.consume import Read
from replay.verify import SHOWN_DIFFERENCES, CountedScore, Report, verify
from schemas import dead_letter, score
from schemas.errors import DecodeError, Reason
from schemas.impression import Impression, encode


@pytest.fixture
def topics(bundle_: Bundle) -> Streamed:
    """What a right run leaves: two partitions that share users, good messages and every broken kind."""
    rows = [encode(row) for row in fakes.click_log(80, seed=3)]
    broken = [spoil(fakes.fields()) for _, spoil in KINDS.values()]
    return streamed(bundle_, [[*rows[0::2], *broken], [None, *rows[1::2], b"{}"]])


def check(served: Bundle, topics: Streamed) -> Report:
    """The report on three topics."""
    return verify(served, topics.impressions, topics.scores, topics.dead_letters)


def changed(record: Read, change: Callable[[Any], dict[str, Any]]) -> Read:
    """A score with other values in some fields."""
    found = score.decode(record.value or b"", CountedScore)
    return record._replace(value=msgspec.json.encode(msgspec.structs.replace(found, **change(found))))


def spoil(topics: Streamed, change: Callable[[Any], dict[str, Any]], position: int = 40) -> Streamed:
    """The topics with one score changed."""
    scores = list(topics.scores)
    scores[position] = changed(scores[position], change)
    return topics._replace(scores=scores)


def test_a_right_run_is_ok(bundle_: Bundle, topics: Streamed) -> None:
    """Every message is answered, every score compared, nothing differs."""
    told: list[int] = []
    report = verify(bundle_, topics.impressions, topics.scores, topics.dead_letters, told.append)
    assert report == Report(
        impressions=80 + len(KINDS) + 2,
        scores=80,
        dead_letters=len(KINDS) + 2,
        duplicates=0,
        differing_duplicates=0,
        lost=0,
        unexpected=0,
        degraded=0,
        parity_compared=80,
        parity_mismatches=0,
        differences=(),
    )
    assert report.ok
    assert sum(told) == 80


def test_the_order_in_which_records_were_read_does_not_matter(bundle_: Bundle, topics: Streamed) -> None:
    """Partitions come in any interleaving: batch and offset say in which order was counted."""
    backwards = Streamed(topics.impressions[::-1], topics.scores[::-1], topics.dead_letters[::-1])
    assert check(bundle_, backwards) == check(bundle_, topics)


@given(
    st.lists(
        st.lists(strategies.small_impressions(strategies.EDGES[1]).map(encode) | st.none(), max_size=12), max_size=3
    ),
    st.integers(1, 5),
)
@settings(max_examples=40)
def test_whatever_the_stream_makes_is_ok(bundle_: Bundle, partitions: list[list[bytes | None]], batch: int) -> None:
    """Late events, shared users, broken messages and any batch borders verify."""
    report = check(bundle_, streamed(bundle_, partitions, batch))
    assert report.ok
    assert report.parity_compared == report.scores == sum(value is not None for one in partitions for value in one)


CORRUPTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "click_proba up one ulp": lambda found: {"click_proba": math.nextafter(found.click_proba, 1)},
    "click_proba down one ulp": lambda found: {"click_proba": math.nextafter(found.click_proba, 0)},
    "id": lambda found: {"id": found.id + "0"},
    "device_ip": lambda found: {"device_ip": "another"},
    "hour": lambda found: {"hour": found.hour + 1},
    "model_version": lambda found: {"model_version": "ffffffffffff"},
} | {f"{name} one more": lambda found, name=name: {name: getattr(found, name) + 1} for name in COUNT_NAMES}


@pytest.mark.parametrize("change", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
@pytest.mark.parametrize("position", [0, 40, 79])
def test_any_changed_value_is_found(
    bundle_: Bundle, topics: Streamed, change: Callable[[Any], dict[str, Any]], position: int
) -> None:
    """One changed field of one score is one mismatch, shown with both values."""
    report = check(bundle_, spoil(topics, change, position))
    found = score.decode(topics.scores[position].value or b"", CountedScore)
    ((field, value),) = change(found).items()
    assert not report.ok
    assert (report.parity_mismatches, report.lost, report.unexpected) == (1, 0, 0)
    (difference,) = report.differences
    assert (difference.partition, difference.offset, difference.field) == (found.partition, found.offset, field)
    assert (difference.scored, difference.expected) == (value, getattr(found, field))


def test_a_wrong_order_of_counting_is_found(bundle_: Bundle) -> None:
    """Two impressions of one user whose batch numbers were swapped have counts that do not fit."""
    row = encode(fakes.impression())
    topics = streamed(bundle_, [[row, row]], batch=1)
    scores = [changed(topics.scores[0], lambda _: {"batch": 2}), changed(topics.scores[1], lambda _: {"batch": 1})]
    assert check(bundle_, topics).ok
    assert check(bundle_, topics._replace(scores=scores)).parity_mismatches == 2


def test_a_missing_score_is_lost_and_the_counts_after_it_do_not_fit(bundle_: Bundle) -> None:
    """A lost impression is reported as lost, and shows in what was counted after it."""
    topics = streamed(bundle_, [[encode(fakes.impression())] * 3])
    report = check(bundle_, topics._replace(scores=topics.scores[1:]))
    assert not report.ok
    assert (report.lost, report.scores, report.parity_mismatches) == (1, 2, 2)


def test_a_missing_dead_letter_is_lost(bundle_: Bundle, topics: Streamed) -> None:
    """A broken message without its dead letter is lost as well."""
    report = check(bundle_, topics._replace(dead_letters=topics.dead_letters[1:]))
    assert not report.ok
    assert (report.lost, report.unexpected) == (1, 0)


def test_an_equal_duplicate_is_allowed_and_counted(bundle_: Bundle, topics: Streamed) -> None:
    """At-least-once: the same score again, with another scored_at, is no fault."""
    again = [changed(record, lambda found: {"scored_at": found.scored_at + 9}) for record in topics.scores[:5]]
    report = check(bundle_, topics._replace(scores=[*topics.scores, *again, *again]))
    assert report.ok
    assert (report.scores, report.duplicates, report.differing_duplicates) == (80, 10, 0)


@pytest.mark.parametrize("change", [*CORRUPTIONS.values(), lambda found: {"batch": found.batch + 1}])
def test_a_duplicate_that_differs_is_found(
    bundle_: Bundle, topics: Streamed, change: Callable[[Any], dict[str, Any]]
) -> None:
    """A redelivered impression's second score must be the first one in all but scored_at."""
    report = check(bundle_, topics._replace(scores=[*topics.scores, changed(topics.scores[3], change)]))
    assert not report.ok
    assert (report.duplicates, report.differing_duplicates) == (1, 1)


def test_a_score_without_impression_is_found(bundle_: Bundle, topics: Streamed) -> None:
    """A score of an offset that holds no message, or a broken one, is unexpected."""
    nowhere = changed(topics.scores[0], lambda _: {"offset": 10_000})
    for_broken = changed(topics.scores[0], lambda _: {"partition": 1, "offset": 0})
    report = check(bundle_, topics._replace(scores=[*topics.scores, nowhere, for_broken]))
    assert not report.ok
    assert (report.unexpected, report.lost, report.parity_compared) == (2, 0, 80)


def test_a_dead_letter_for_a_good_message_is_found(bundle_: Bundle, topics: Streamed) -> None:
    """An impression that was scored and also rejected, and a letter of no message, are unexpected."""
    good = topics.impressions[0]
    letters = [
        dead_letter.rejected(good.key, good.value, DecodeError(Reason.EMPTY, None, "x"), "impressions", 0, offset)
        for offset in (good.offset, 10_000)
    ]
    reads = [
        Read(0, 500 + n, 0, 0, letter.key, letter.value, tuple(letter.headers)) for n, letter in enumerate(letters)
    ]
    report = check(bundle_, topics._replace(dead_letters=[*topics.dead_letters, *reads]))
    assert not report.ok
    assert (report.unexpected, report.lost) == (2, 0)


def test_a_duplicate_dead_letter_is_allowed(bundle_: Bundle, topics: Streamed) -> None:
    """A redelivered broken message may be rejected twice."""
    report = check(bundle_, topics._replace(dead_letters=topics.dead_letters * 2))
    assert report.ok
    assert report.dead_letters == len(KINDS) + 2


def test_only_the_first_differences_are_shown_but_all_are_counted(bundle_: Bundle, topics: Streamed) -> None:
    """A thoroughly wrong topic gives a short report."""
    scores = [changed(record, lambda _: {"model_version": "other", "id": "other"}) for record in topics.scores]
    report = check(bundle_, topics._replace(scores=scores))
    assert report.parity_mismatches == 80
    assert len(report.differences) == SHOWN_DIFFERENCES


def test_another_bundle_is_found(bundle_: Bundle, topics: Streamed) -> None:
    """Scores of one bundle do not pass as those of another."""
    assert check(fakes.bundle(), topics).parity_mismatches == 80


@pytest.mark.parametrize("value", [None, b"", b"{}", b"not a score"])
def test_a_score_that_can_not_be_read_is_an_error(bundle_: Bundle, topics: Streamed, value: bytes | None) -> None:
    """What is no score at all is not passed over."""
    with pytest.raises(msgspec.DecodeError):
        check(bundle_, topics._replace(scores=[*topics.scores, topics.scores[0]._replace(value=value)]))


def test_nothing_at_all_is_ok(bundle_: Bundle) -> None:
    """Empty topics have no fault."""
    assert check(bundle_, Streamed([], [], [])).ok


def test_a_changed_dead_letter_is_found(bundle_: Bundle, topics: Streamed) -> None:
    """A dead letter must hold its message's own bytes: other ones are a fault."""
    letters = [topics.dead_letters[-1]._replace(value=b"something else"), *topics.dead_letters[:-1]]
    assert not check(bundle_, topics._replace(dead_letters=letters)).ok


def test_a_score_under_another_key_is_found(bundle_: Bundle, topics: Streamed) -> None:
    """A score is keyed as its impression: another key is a fault."""
    scores = [topics.scores[0]._replace(key=b"another"), *topics.scores[1:]]
    assert not check(bundle_, topics._replace(scores=scores)).ok


def test_an_impression_on_which_scoring_failed_is_counted_and_not_lost(bundle_: Bundle) -> None:
    """Its dead letter stands for its score, later counts hold it, and a score beside it is one too many."""

    def build(shown: Impression, counts: Counts) -> list[float]:
        if shown.id == "2":
            raise ValueError("poison")
        return bundle_.build(shown, counts)

    rows = [encode(fakes.impression(id=str(number))) for number in range(4)]
    topics = streamed(bundle_._replace(build=build), [rows], batch=2)
    report = check(bundle_, topics)
    assert report.ok, report
    assert (report.scores, report.dead_letters, report.parity_compared) == (3, 1, 3)
    everything = streamed(bundle_, [rows], batch=2)
    assert check(bundle_, topics._replace(scores=everything.scores)).unexpected == 1
    assert check(bundle_, topics._replace(dead_letters=[])).lost == 1
