"""Broken messages: each kind is rejected with exactly the reason it names."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import fakes
import pytest

from replay import broken
from replay.broken import KINDS
from replay.log import Message
from schemas.errors import DecodeError, Reason
from schemas.impression import LoggedImpression, decode, encode

GOOD = Message(b"address1", encode(LoggedImpression(**fakes.fields(), click=1)))


def reason_of(value: bytes | None) -> Reason:
    """The reason with which a value is rejected."""
    with pytest.raises(DecodeError) as caught:
        decode(value)
    return caught.value.reason


def test_there_are_many_kinds_and_every_reason_has_one() -> None:
    """At least twelve kinds, and no reason that none of them shows."""
    assert len(KINDS) >= 12
    assert {reason for reason, _ in KINDS.values()} == set(Reason) - {
        Reason.SCORING_FAILED
    }  # of an impression, not of bytes


@pytest.mark.parametrize(("reason", "spoil"), KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("changes", [{}, {"site_id": "what?"}, {"click": 1}], ids=["plain", "question mark", "click"])
def test_each_kind_is_rejected_with_its_reason(
    reason: Reason, spoil: Callable[[dict[str, Any]], bytes | None], changes: dict[str, Any]
) -> None:
    """Spoiling any good impression gives the reason named, and leaves the good one alone."""
    good = fakes.fields(**changes)
    before = dict(good)
    assert reason_of(spoil(good)) == reason
    assert good == before


def test_messages_come_of_each_kind_in_turn_with_the_good_ones_key() -> None:
    """The endless supply goes through all kinds before it begins again."""
    found = list(islice(broken.messages(GOOD), 2 * len(KINDS) + 1))
    assert [reason for _, reason in found] == [reason for reason, _ in [*KINDS.values()] * 2 + [*KINDS.values()][:1]]
    assert {message.key for message, _ in found} == {b"address1"}
    assert found[0] == found[len(KINDS)]
    for message, reason in found[: len(KINDS)]:
        assert reason_of(message.value) == reason
