"""Clicks beside predictions."""

import fakes
import msgspec
import pytest

from replay.consume import Read
from replay.labels import Labelled, labelled
from schemas.impression import LoggedImpression, encode


def shown(offset: int, click: int, partition: int = 0) -> Read:
    """A labelled impression in the topic."""
    row = LoggedImpression(**fakes.fields(id=f"{partition}-{offset}"), click=click)
    return Read(partition, offset, 0, 0, b"k", encode(row), ())


def scored(offset: int, click_proba: float, partition: int = 0, hour: int = 14102113) -> Read:
    """A score in its topic, where it has another offset."""
    score = {
        "id": f"{partition}-{offset}",
        "hour": hour,
        "partition": partition,
        "offset": offset,
        "click_proba": click_proba,
        "more": 1,
    }
    return Read(1 - partition, offset + 1000, 0, 0, b"k", msgspec.json.encode(score), ())


def test_each_scores_click_is_found_by_its_impressions_place() -> None:
    """Partition and offset lead from a score to its impression, in the order of the scores."""
    impressions = [shown(0, 1), shown(1, 0), shown(0, 0, partition=1), shown(1, 1, partition=1)]
    scores = [scored(1, 0.1, partition=1), scored(1, 0.2), scored(0, 0.3), scored(0, 0.4, partition=1)]
    assert labelled(impressions, scores) == [
        Labelled("1-1", 1, 0.1),
        Labelled("0-1", 0, 0.2),
        Labelled("0-0", 1, 0.3),
        Labelled("1-0", 0, 0.4),
    ]


def test_a_duplicate_counts_once_and_broken_or_unscored_messages_not_at_all() -> None:
    """The first score of an impression is taken; messages without scores need no click."""
    impressions = [shown(0, 1), Read(0, 1, 0, 0, None, None, ()), Read(0, 2, 0, 0, b"k", b"broken", ()), shown(3, 0)]
    assert labelled(impressions, [scored(0, 0.1), scored(0, 0.9)]) == [Labelled("0-0", 1, 0.1)]


def test_only_hours_from_the_first_asked_for_are_taken() -> None:
    """Scores of earlier hours are left out, and their impressions need not be there or have a click."""
    scores = [scored(7, 0.9, hour=14102112), scored(0, 0.1, hour=14102113), scored(1, 0.2, hour=14102200)]
    found = labelled([shown(0, 1), shown(1, 0)], scores, from_hour=14102113)
    assert [one.click_proba for one in found] == [0.1, 0.2]


def test_nothing_scored_gives_nothing() -> None:
    """No scores, nothing labelled."""
    assert labelled([shown(0, 1)], []) == []


def test_a_click_may_be_a_numeric_string() -> None:
    """Producers that read a CSV send strings."""
    value = msgspec.json.encode(fakes.fields() | {"click": "1"})
    assert labelled([Read(0, 0, 0, 0, None, value, ())], [scored(0, 0.5)]) == [Labelled("0-0", 1, 0.5)]


def test_an_unlabelled_impression_is_an_error() -> None:
    """Without clicks there is nothing to compare."""
    unlabelled = Read(0, 0, 0, 0, None, encode(fakes.impression()), ())
    with pytest.raises(msgspec.ValidationError, match="click"):
        labelled([unlabelled], [scored(0, 0.5)])


def test_a_score_of_no_impression_is_an_error() -> None:
    """A score whose impression is not there is not passed over."""
    with pytest.raises(KeyError):
        labelled([shown(0, 1)], [scored(7, 0.5)])
