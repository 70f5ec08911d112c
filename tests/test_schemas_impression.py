"""Decoding of impressions: what is taken, and the precise reason for everything that is not."""

import json
from collections.abc import Callable
from typing import Any

import fakes
import msgspec
import pytest
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import DecodeError, Reason
from schemas.impression import (
    CODE_FIELDS,
    FIELDS,
    MAX_STRING,
    STRING_FIELDS,
    Impression,
    LoggedImpression,
    decode,
    encode,
    faults,
    from_mapping,
)

MISSING = "expected a value, the field is missing"
NO_HOUR = "expected YYMMDDHH of a real date and hour, got "


def payload(**changes: Any) -> bytes:
    """The JSON of a made-up impression with some fields changed."""
    return json.dumps(fakes.fields(**changes)).encode()


def raw(name: str, literal: str) -> bytes:
    """The JSON of a made-up impression with one field's value replaced by this text."""
    return payload(**{name: "@"}).replace(b'"@"', literal.encode())


def without(name: str) -> bytes:
    """The JSON of a made-up impression that lacks a field."""
    return json.dumps({field: value for field, value in fakes.fields().items() if field != name}).encode()


def rejection(value: bytes | None) -> DecodeError:
    """The error that decoding ends in."""
    with pytest.raises(DecodeError) as caught:
        decode(value)
    return caught.value


REJECTED: list[tuple[bytes | None, Reason, str | None, str]] = [
    (None, Reason.TOMBSTONE, None, "expected an impression, got a null value (tombstone)"),
    (b"", Reason.EMPTY, None, "expected an impression, got an empty message"),
    (b" \t\r\n", Reason.EMPTY, None, "expected an impression, got an empty message"),
    (b"\xff", Reason.NOT_UTF8, None, "expected UTF-8, got byte 0xff at 0"),
    (b'{"id": "\xe9"}', Reason.NOT_UTF8, None, "expected UTF-8, got byte 0xe9 at 8"),
    (payload(site_id="?").replace(b"?", b"\xc3\x28"), Reason.NOT_UTF8, None, "expected UTF-8, got byte 0xc3"),
    (payload().decode().encode("utf-16"), Reason.NOT_UTF8, None, "expected UTF-8, got byte 0xff at 0"),
    (payload(site_id="\ud800"), Reason.NOT_UTF8, "site_id", r"expected Unicode text, got a lone surrogate: '\ud800'"),
    (payload(hour="\ud800"), Reason.WRONG_TYPE, "hour", r"expected an integer, got '\ud800'"),
    (payload(id="x\udfff"), Reason.NOT_UTF8, "id", r"expected Unicode text, got a lone surrogate: 'x\udfff'"),
    (b"{", Reason.NOT_JSON, None, "expected JSON, got '{': "),
    (b"id,hour\n1,2", Reason.NOT_JSON, None, r"expected JSON, got 'id,hour\n1,2': "),
    (payload() + b"}", Reason.NOT_JSON, None, 'expected JSON, got \'{"id":'),
    (payload()[:-1], Reason.NOT_JSON, None, 'expected JSON, got \'{"id":'),
    (b"\xef\xbb\xbf" + payload(), Reason.NOT_JSON, None, r"expected JSON, got '\ufeff{"),
    (b"[" * 100_000, Reason.NOT_JSON, None, "expected JSON, got '[[["),
    (b'{"id":' * 50_000, Reason.NOT_JSON, None, 'expected JSON, got \'{"id":'),
    (b"[]", Reason.NOT_AN_OBJECT, None, "expected a JSON object, got []"),
    (b"17", Reason.NOT_AN_OBJECT, None, "expected a JSON object, got 17"),
    (b"null", Reason.NOT_AN_OBJECT, None, "expected a JSON object, got None"),
    (b"NaN", Reason.NOT_AN_OBJECT, None, "expected a JSON object, got nan"),
    (b'"text"', Reason.NOT_AN_OBJECT, None, "expected a JSON object, got 'text'"),
    (b"{}", Reason.MISSING_FIELD, "id", MISSING),
    (payload(site_id=None), Reason.NULL_FIELD, "site_id", "expected a value, got null"),
    (payload(hour=None), Reason.NULL_FIELD, "hour", "expected a value, got null"),
    (payload(device_id=None), Reason.NULL_FIELD, "device_id", "expected a value, got null"),
    (payload(C14="many"), Reason.WRONG_TYPE, "C14", "expected an integer, got 'many'"),
    (payload(C14=""), Reason.WRONG_TYPE, "C14", "expected an integer, got ''"),
    (payload(C14=" 7"), Reason.WRONG_TYPE, "C14", "expected an integer, got ' 7'"),
    (payload(C14="1_000"), Reason.WRONG_TYPE, "C14", "expected an integer, got '1_000'"),
    (payload(C14="0x10"), Reason.WRONG_TYPE, "C14", "expected an integer, got '0x10'"),
    (payload(C14=7.5), Reason.WRONG_TYPE, "C14", "expected an integer, got 7.5"),
    (payload(C14="7.5"), Reason.WRONG_TYPE, "C14", "expected an integer, got '7.5'"),
    (payload(C14=True), Reason.WRONG_TYPE, "C14", "expected an integer, got True"),
    (payload(C14=[7]), Reason.WRONG_TYPE, "C14", "expected an integer, got [7]"),
    (payload(hour={"h": 1}), Reason.WRONG_TYPE, "hour", "expected an integer, got {'h': 1}"),
    (payload(app_id=7), Reason.WRONG_TYPE, "app_id", "expected a string, got 7"),
    (payload(device_ip=True), Reason.WRONG_TYPE, "device_ip", "expected a string, got True"),
    (payload(device_model={"name": "x"}), Reason.WRONG_TYPE, "device_model", "expected a string, got {'name': 'x'}"),
    (payload(id=1.5), Reason.WRONG_TYPE, "id", "expected a string, got 1.5"),
    (payload(id=True), Reason.WRONG_TYPE, "id", "expected a string, got True"),
    (payload(C20=float("nan")), Reason.NOT_A_NUMBER, "C20", "expected an integer, got nan"),
    (payload(C20=float("-inf")), Reason.NOT_A_NUMBER, "C20", "expected an integer, got -inf"),
    (payload(C20="NaN"), Reason.NOT_A_NUMBER, "C20", "expected an integer, got 'NaN'"),
    (payload(C20="Infinity"), Reason.NOT_A_NUMBER, "C20", "expected an integer, got 'Infinity'"),
    (payload(hour=float("nan")), Reason.NOT_A_NUMBER, "hour", "expected an integer, got nan"),
    (raw("C20", "1e999"), Reason.NOT_A_NUMBER, "C20", "expected an integer, got inf"),
    (payload(C17=2**31), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got 2147483648"),
    (payload(C17=-(2**31) - 1), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got -2147483649"),
    (payload(C17=2**64), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got 18446744073709551616"),
    (payload(C17=10**30), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got 1000000"),
    (payload(C17=str(2**31)), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got '2147483648'"),
    (payload(C17=1e10), Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got 10000000000.0"),
    (payload(device_model="x" * 65), Reason.TOO_LONG, "device_model", "expected at most 64 characters, got 65: 'xxx"),
    (payload(device_id="x" * 65), Reason.TOO_LONG, "device_id", "expected at most 64 characters, got 65: 'xxx"),
    (payload(id="é" * 1000), Reason.TOO_LONG, "id", "expected at most 64 characters, got 1000: 'ééé"),
    (payload(C14="1" * 65), Reason.TOO_LONG, "C14", "expected an integer, got 65 characters"),
    (payload(hour="1" * 5000), Reason.TOO_LONG, "hour", "expected an integer, got 5000 characters"),
    (payload(id=""), Reason.EMPTY_FIELD, "id", "expected a non-empty string, got an empty one"),
    (payload(device_ip=""), Reason.EMPTY_FIELD, "device_ip", "expected a non-empty string, got an empty one"),
    (payload(hour=14103025), Reason.WRONG_HOUR, "hour", NO_HOUR + "14103025"),
    (payload(hour="14103200"), Reason.WRONG_HOUR, "hour", NO_HOUR + "14103200"),
    (payload(hour=15022900), Reason.WRONG_HOUR, "hour", NO_HOUR + "15022900"),
    (payload(hour=14130100), Reason.WRONG_HOUR, "hour", NO_HOUR + "14130100"),
    (payload(hour=0), Reason.WRONG_HOUR, "hour", NO_HOUR + "0"),
    (payload(hour=-14102113), Reason.WRONG_HOUR, "hour", NO_HOUR + "-14102113"),
    (payload(hour=2014102113), Reason.WRONG_HOUR, "hour", NO_HOUR + "2014102113"),
    (payload(hour=10**40), Reason.WRONG_HOUR, "hour", NO_HOUR + "1000000"),
]


@pytest.mark.parametrize(("value", "reason", "field", "detail"), REJECTED)
def test_what_is_no_impression_is_rejected_with_reason_field_expectation_and_finding(
    value: bytes | None, reason: Reason, field: str | None, detail: str
) -> None:
    """The error names the reason and the field to blame, and says what was expected and what came."""
    error = rejection(value)
    assert (error.reason, error.field) == (reason, field)
    assert error.detail.startswith(detail)
    assert str(error) == (f"{field}: {error.detail}" if field else error.detail)


def test_every_reason_is_tried() -> None:
    """No reason exists that the table above does not show twice, save the two that have one form."""
    tried = [reason for _, reason, _, _ in REJECTED]
    assert {reason for reason in Reason if tried.count(reason) < 2} == {
        Reason.TOMBSTONE,
        Reason.MISSING_FIELD,
        Reason.SCORING_FAILED,  # of an impression, not of bytes
    }


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_required_and_may_not_be_null(name: str) -> None:
    """A message that lacks any one field, or has null there, is rejected with that field's name."""
    missing, null = rejection(without(name)), rejection(payload(**{name: None}))
    assert (missing.reason, missing.field, missing.detail) == (Reason.MISSING_FIELD, name, MISSING)
    assert (null.reason, null.field) == (Reason.NULL_FIELD, name)


@pytest.mark.parametrize("name", [*CODE_FIELDS, "hour"])
def test_a_word_for_any_number_names_its_field(name: str) -> None:
    """A word where a number belongs is rejected as the wrong type of exactly that field."""
    error = rejection(payload(**{name: "word"}))
    assert (error.reason, error.field) == (Reason.WRONG_TYPE, name)


@pytest.mark.parametrize("name", [name for name in STRING_FIELDS if name != "id"])
def test_a_number_for_any_string_but_the_id_names_its_field(name: str) -> None:
    """A number where a string belongs is rejected as the wrong type of exactly that field."""
    error = rejection(payload(**{name: 12}))
    assert (error.reason, error.field) == (Reason.WRONG_TYPE, name)


@pytest.mark.parametrize("name", [name for name in STRING_FIELDS if name != "device_id"])
def test_every_string_but_the_device_id_must_say_something(name: str) -> None:
    """An empty string is rejected everywhere but in device_id, where it means nobody."""
    error = rejection(payload(**{name: ""}))
    assert (error.reason, error.field) == (Reason.EMPTY_FIELD, name)
    assert decode(payload(device_id="")).device_id == ""


def test_the_first_wrong_field_is_the_one_that_is_named() -> None:
    """Of several wrong fields the first in the schema's order is reported."""
    assert rejection(payload(C21="x", site_id=None, hour=14103025)).field == "hour"


def test_all_numbers_may_come_as_strings() -> None:
    """Producers that read a CSV send every number as a string: the impression is the same."""
    strings = {name: str(value) for name, value in fakes.fields().items()}
    assert decode(json.dumps(strings).encode()) == fakes.impression()


def test_numeric_strings_may_be_negative() -> None:
    """The log's -1 comes through as a string too."""
    assert decode(payload(C20="-1")).C20 == -1


def test_a_leading_zero_of_the_hour_survives_csv() -> None:
    """In 2005 YYMMDDHH begins with a zero, and a CSV producer sends it."""
    assert decode(payload(hour="05010100")) == fakes.impression(hour=5010100)


@pytest.mark.parametrize("number", [0, 17, 10**19 + 371904215119486, 2**64, 10**63])
def test_an_id_may_be_a_json_number(number: int) -> None:
    """Ids that a producer sends as numbers are the same digits, also beyond 64 bits."""
    assert decode(raw("id", str(number))).id == str(number)


def test_an_id_that_is_a_number_of_too_many_digits_is_too_long() -> None:
    """The limit of 64 characters holds for an id that came as a number, and says so."""
    error = rejection(raw("id", "1" * 65))
    assert (error.reason, error.field) == (Reason.TOO_LONG, "id")


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_any_length_is_out_of_range(digits: int) -> None:
    """A number too long for a float, or for Python's own parser, is blamed on its field all the same."""
    error = rejection(raw("C17", "1" * digits))
    assert (error.reason, error.field) == (Reason.OUT_OF_RANGE, "C17")


def test_unknown_fields_are_ignored() -> None:
    """Whatever else a producer sends changes nothing."""
    more = {"more": {"a": [1, None]}, "bid": 1.5, "": "x", "nan": float("nan"), "text": "\ud800"}
    assert decode(payload(**more)) == fakes.impression()


@pytest.mark.parametrize("click", [0, 1, "1", None, "no", [], 10**100])
def test_the_click_is_never_read(click: object) -> None:
    """An impression of a labelled log decodes to the same impression whatever its click is."""
    assert decode(payload(click=click)) == fakes.impression()
    assert not hasattr(decode(payload(click=click)), "click")


def test_encode_of_a_logged_impression_keeps_the_click_for_reports() -> None:
    """A replayed row carries its click in the message, and the scorer's decode drops it."""
    logged = LoggedImpression(**fakes.fields(), click=1)
    assert json.loads(encode(logged)) == fakes.fields(click=1)
    assert decode(encode(logged)) == fakes.impression()


def test_long_values_are_cut_in_messages() -> None:
    """A rejection quotes at most 60 characters of what came."""
    error = rejection(payload(C14=["x" * 10_000]))
    assert len(error.detail) < 100
    assert error.detail.endswith("...")


def test_64_characters_of_any_script_are_accepted() -> None:
    """The limit counts characters, not bytes."""
    assert decode(payload(site_id="𝒳" * MAX_STRING)).site_id == "𝒳" * MAX_STRING


@pytest.mark.parametrize("code", [-(2**31), 2**31 - 1])
@pytest.mark.parametrize("shape", [int, str, float])
def test_the_ends_of_32_bits_are_accepted(code: int, shape: Callable[[int], object]) -> None:
    """The smallest and the largest code come through as they are, in every notation."""
    assert code == decode(payload(C17=shape(code))).C17


def test_an_impression_can_not_be_changed() -> None:
    """Impressions are frozen: counting one can not alter what is scored."""
    with pytest.raises(AttributeError):
        fakes.impression().C14 = 1  # type: ignore[misc]


@given(strategies.wide_impressions())
def test_decode_gives_back_what_was_encoded(impression: Impression) -> None:
    """decode(encode(x)) is x for every impression that the schema admits."""
    assert decode(encode(impression)) == impression


@given(strategies.wide_impressions())
def test_a_mapping_gives_the_same_impression_as_json(impression: Impression) -> None:
    """Fields of strings, as a CSV or a query has them, make the same impression as its JSON."""
    found = msgspec.structs.asdict(impression)
    assert from_mapping(found) == impression
    assert from_mapping(
        {name: str(value) for name, value in found.items() if name != "hour"} | {"hour": found["hour"]}
    ) == (impression)


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode())))
@example(b'"' + b"\\" * 100)
@example(b'{"hour": 1' + b"0" * 6000 + b"}")
@example(b'{"id": "\\ud800"}')
def test_arbitrary_bytes_are_rejected_with_a_reason(value: bytes) -> None:
    """Bytes that are no impression raise DecodeError and nothing else."""
    assert rejection(value).reason in Reason


@given(strategies.json_objects())
def test_arbitrary_objects_are_an_impression_or_rejected_with_a_field(value: bytes) -> None:
    """JSON near an impression either decodes to one that encodes and decodes again, or is rejected with a field."""
    try:
        found: object = decode(value)
    except DecodeError as error:
        found = error
    if isinstance(found, DecodeError):
        assert found.field in FIELDS
    else:
        assert isinstance(found, Impression)
        assert decode(encode(found)) == found


@given(strategies.json_objects())
def test_from_mapping_agrees_with_decode(value: bytes) -> None:
    """The slow and the fast path take and reject the same messages."""
    by_mapping: Impression | tuple[Reason, str | None]
    by_json: Impression | tuple[Reason, str | None]
    try:
        by_mapping = from_mapping(json.loads(value))
    except DecodeError as error:
        by_mapping = (error.reason, error.field)
    try:
        by_json = decode(value)
    except DecodeError as error:
        by_json = (error.reason, error.field)
    assert by_json == by_mapping


def test_all_faults_are_found_at_once() -> None:
    """Each field that keeps a mapping from being an impression is named with its own reason; a good one has none."""
    broken = fakes.fields(hour=14103025, C14="x", site_id="", device_id="")
    del broken["C1"]
    found = {error.field: error.reason for error in faults(broken)}
    assert found == {
        "hour": Reason.WRONG_HOUR,
        "C1": Reason.MISSING_FIELD,
        "site_id": Reason.EMPTY_FIELD,
        "C14": Reason.WRONG_TYPE,
    }
    assert faults(fakes.fields()) == []


@given(strategies.json_objects())
def test_a_mapping_is_taken_and_rejected_as_its_json_is(payload: bytes) -> None:
    """Query parameters mean what the same fields mean in a message, and are refused for the same reason."""
    found = json.loads(payload)
    try:
        wanted: object = decode(payload)
    except DecodeError as error:
        wanted = (error.reason, error.field)
    try:
        got: object = from_mapping(found)
    except DecodeError as error:
        got = (error.reason, error.field)
    assert got == wanted
