"""Clicks beside predictions."""

import fakes
import msgspec
import pytest

from replay.consume import Read
from replay.labels import clicks_and_predictions
from schemas.impression import LoggedImpression, encode


def shown(offset: int, click: int, partition: int = 0) -> Read:
    """A labelled impression in the topic."""
    row = LoggedImpression(**fakes.fields(id=f"{partition}-{offset}"), click=click)
    return Read(partition, offset, 0, 0, b"k", encode(row), ())


def scored(offset: int, click_proba: float, partition: int = 0) -> Read:
    """A score in its topic, where it has another offset."""
    value = msgspec.json.encode({"partition": partition, "offset": offset, "click_proba": click_proba, "more": 1})
    return Read(1 - partition, offset + 1000, 0, 0, b"k", value, ())


def test_each_scores_click_is_found_by_its_impressions_place() -> None:
    """Partition and offset lead from a score to its impression, in the order of the scores."""
    impressions = [shown(0, 1), shown(1, 0), shown(0, 0, partition=1), shown(1, 1, partition=1)]
    scores = [scored(1, 0.1, partition=1), scored(1, 0.2), scored(0, 0.3), scored(0, 0.4, partition=1)]
    assert clicks_and_predictions(impressions, scores) == ([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4])


def test_a_duplicate_counts_once_and_broken_or_unscored_messages_not_at_all() -> None:
    """The first score of an impression is taken; messages without scores need no click."""
    impressions = [shown(0, 1), Read(0, 1, 0, 0, None, None, ()), Read(0, 2, 0, 0, b"k", b"broken", ()), shown(3, 0)]
    assert clicks_and_predictions(impressions, [scored(0, 0.1), scored(0, 0.9)]) == ([1], [0.1])


def test_nothing_scored_gives_nothing() -> None:
    """No scores, no clicks, no predictions."""
    assert clicks_and_predictions([shown(0, 1)], []) == ([], [])


def test_a_click_may_be_a_numeric_string() -> None:
    """Producers that read a CSV send strings."""
    value = msgspec.json.encode(fakes.fields() | {"click": "1"})
    assert clicks_and_predictions([Read(0, 0, 0, 0, None, value, ())], [scored(0, 0.5)]) == ([1], [0.5])


def test_an_unlabelled_impression_is_an_error() -> None:
    """Without clicks there is nothing to compare."""
    unlabelled = Read(0, 0, 0, 0, None, encode(fakes.impression()), ())
    with pytest.raises(msgspec.ValidationError, match="click"):
        clicks_and_predictions([unlabelled], [scored(0, 0.5)])


def test_a_score_of_no_impression_is_an_error() -> None:
    """A score whose impression is not there is not passed over."""
    with pytest.raises(KeyError):
        clicks_and_predictions([shown(0, 1)], [scored(7, 0.5)])
