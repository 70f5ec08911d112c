"""Dead letters: the message untouched, the reason in the headers."""

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schemas import dead_letter, impression
from schemas.errors import DecodeError, Reason


def test_headers_say_why_and_where_from() -> None:
    """Reason, field, detail, topic, partition and offset, as bytes, in this order."""
    error = DecodeError(Reason.EMPTY_FIELD, "device_ip", "expected é")
    letter = dead_letter.rejected(b"k", b"v", error, "impressions", 3, 2**40)
    assert letter.headers == [
        ("reason", b"empty_field"),
        ("field", b"device_ip"),
        ("detail", "expected é".encode()),
        ("topic", b"impressions"),
        ("partition", b"3"),
        ("offset", b"1099511627776"),
    ]


def test_no_field_to_blame_is_an_empty_header() -> None:
    """The field header is there even when no one field is to blame."""
    letter = dead_letter.rejected(None, b"", DecodeError(Reason.EMPTY, None, "x"), "t", 0, 0)
    assert dict(letter.headers)["field"] == b""


@given(st.none() | st.binary(), strategies.values())
def test_key_and_value_are_untouched(key: bytes | None, value: bytes | None) -> None:
    """Whatever was rejected, the letter holds its very bytes, and headers that can be sent."""
    try:
        impression.decode(value)
    except DecodeError as error:
        letter = dead_letter.rejected(key, value, error, "t", 0, 0)
        assert (letter.key, letter.value) == (key, value)
        assert dict(letter.headers)["reason"].decode() in set(Reason)
        assert all(isinstance(content, bytes) for _, content in letter.headers)


@pytest.mark.parametrize("detail", ["\ud800", "plain", "\0"])
def test_any_detail_can_be_written(detail: str) -> None:
    """A detail that quotes a lone surrogate is escaped instead of failing."""
    letter = dead_letter.rejected(None, None, DecodeError(Reason.NOT_UTF8, None, detail), "t", 0, 0)
    assert dict(letter.headers)["detail"] == detail.encode(errors="backslashreplace")
