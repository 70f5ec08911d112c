"""The score: its fields, their order, and its JSON bytes."""

import msgspec
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schemas import score
from schemas.score import Score

COUNTED = score.struct_of(("a_count", "b_count"))


def test_the_count_features_follow_the_fixed_fields() -> None:
    """The struct has the score's own fields first and then the counts in the order given."""
    own = ("id", "device_ip", "click_proba", "model_version", "hour", "scored_at", "partition", "offset", "batch")
    assert Score.__struct_fields__ == own
    assert COUNTED.__struct_fields__ == (*own, "a_count", "b_count", "degraded")


@given(strategies.probabilities(), st.integers(0, 2**53), st.text(min_size=1).filter(str.isprintable))
def test_decode_gives_back_every_bit(click_proba: float, count: int, text: str) -> None:
    """A score read from its JSON equals the one written, to the last bit of click_proba."""
    written = COUNTED(text, text, click_proba, text, 14102113, 1.5, 0, 2**40, 7, count, 0)
    found = score.decode(msgspec.json.encode(written), COUNTED)
    assert found == written
    assert msgspec.json.encode(found) == msgspec.json.encode(written)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", msgspec.json.encode(Score("i", "a", 0.5, "v", 14102113, 1.5, 0, 0, 1))]
)
def test_what_lacks_the_counts_is_no_score(payload: bytes) -> None:
    """A message without the count features is refused, not read with zeros."""
    with pytest.raises(msgspec.DecodeError):
        score.decode(payload, COUNTED)


def test_degraded_is_said_only_where_it_is_so() -> None:
    """A score made with empty counts is flagged; the others do not carry the field."""
    fine = COUNTED("i", "a", 0.5, "v", 14102113, 1.5, 0, 0, 1, 3, 4)
    degraded = COUNTED("i", "a", 0.5, "v", 14102113, 1.5, 0, 0, 0, 0, 0, True)  # type: ignore[call-arg]
    assert "degraded" not in msgspec.json.decode(msgspec.json.encode(fine))
    assert msgspec.json.decode(msgspec.json.encode(degraded))["degraded"] is True
    assert score.decode(msgspec.json.encode(degraded), COUNTED) == degraded
