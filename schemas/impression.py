"""The impression: one ad shown, in Avazu's schema, and its decoding from JSON bytes."""

import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from schemas import hours
from schemas.errors import DecodeError, Reason

NULL_DEVICE_ID = "a99f214a"
MAX_STRING = 64

# 64 characters: the log's ids have 20 and its hashed values 8; what is much longer is a fault of the producer,
# and as an entity it would cost memory for as long as its count lives.
Id = Annotated[str, Meta(min_length=1, max_length=MAX_STRING)]
# An empty device_id is a null one; every other string must say something.
OptionalId = Annotated[str, Meta(max_length=MAX_STRING)]
# 32 bits: every code of the log fits, and the row holds it as float32 (exact up to 2**24, the log's reach).
Code = Annotated[int, Meta(ge=-(2**31), lt=2**31)]


class Impression(msgspec.Struct, frozen=True, gc=False):
    """An ad shown: the 22 feature columns of the log and its id. `click` is no field: the scorer can not read it."""

    id: Id
    hour: int  # YYMMDDHH, UTC
    C1: Code
    banner_pos: Code
    site_id: Id
    site_domain: Id
    site_category: Id
    app_id: Id
    app_domain: Id
    app_category: Id
    device_id: OptionalId
    device_ip: Id
    device_model: Id
    device_type: Code
    device_conn_type: Code
    C14: Code
    C15: Code
    C16: Code
    C17: Code
    C18: Code
    C19: Code
    C20: Code
    C21: Code


class LoggedImpression(Impression, frozen=True, gc=False, kw_only=True):
    """A row of a labelled log, as replays send it. Only trainers and reports read `click`."""

    click: int


FIELDS = Impression.__struct_fields__
STRING_FIELDS = ("id", *(name for name in FIELDS if name.endswith(("_id", "_domain", "_category", "_ip", "_model"))))
CODE_FIELDS = tuple(name for name in FIELDS if name not in STRING_FIELDS and name != "hour")

# strict=False takes numbers that come as strings, as producers that read a CSV send them.
_decoder = msgspec.json.Decoder(Impression, strict=False)
_encoder = msgspec.json.Encoder()
_DIGITS = re.compile(r"[+-]?[0-9]+")


def decode(payload: bytes | None) -> Impression:
    """The impression in a message's bytes.

    Raises:
        DecodeError: the bytes are no impression; says which reason, which field, what was expected and what came.
    """
    try:
        impression = _decoder.decode(payload)  # type: ignore[arg-type]  # a tombstone's None is diagnosed below
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError):
        return _decode_again(payload)
    if not hours.is_hour(impression.hour):
        raise _wrong_hour(impression.hour)
    return impression


def encode(impression: Impression) -> bytes:
    """The JSON bytes of an impression, logged or not, as `decode` takes them."""
    return _encoder.encode(impression)


def from_mapping(fields: Mapping[str, Any]) -> Impression:
    """The impression in a mapping of field to value, such as a CSV row or query parameters.

    Raises:
        DecodeError: as `decode`.
    """
    try:
        found = msgspec.convert(fields, Impression, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter of a lone surrogate where a number should be
        return _convert(fields)
    is_whole = hours.is_hour(found.hour) and _encodable("".join([getattr(found, name) for name in STRING_FIELDS]))
    return found if is_whole else _convert(fields)


def faults(fields: Mapping[str, Any]) -> list[DecodeError]:
    """All that `from_mapping` objects to, one error a field; empty where the mapping is an impression."""
    found = []
    for name in FIELDS:
        try:
            _value(name, fields)
        except DecodeError as error:
            found.append(error)
    return found


def _decode_again(payload: bytes | None) -> Impression:
    """The slow path: an id that came as a JSON number is taken; everything else gets its precise reason."""
    if payload is None:
        raise DecodeError(Reason.TOMBSTONE, None, "expected an impression, got a null value (tombstone)")
    if not payload.strip():
        raise DecodeError(Reason.EMPTY, None, "expected an impression, got an empty message")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        detail = f"expected UTF-8, got byte 0x{payload[error.start]:02x} at {error.start}"
        raise DecodeError(Reason.NOT_UTF8, None, detail) from None
    try:
        found = json.loads(text, parse_int=_parsed)
    except (ValueError, RecursionError) as error:
        raise DecodeError(Reason.NOT_JSON, None, f"expected JSON, got {_shown(text)}: {error}") from None
    if not isinstance(found, dict):
        raise DecodeError(Reason.NOT_AN_OBJECT, None, f"expected a JSON object, got {_shown(found)}")
    return from_mapping(found)


def _parsed(digits: str) -> int:
    """Python refuses more than 4300 digits; with 400 a number is as far out of every range."""
    return int(digits[:400])


def _convert(found: Mapping[str, Any]) -> Impression:
    return Impression(**{name: _value(name, found) for name in FIELDS})


def _value(name: str, found: Mapping[str, Any]) -> Any:
    """The acceptable value of the field `name`; raises the precise reason if there is none."""
    if name not in found:
        raise DecodeError(Reason.MISSING_FIELD, name, "expected a value, the field is missing")
    value = found[name]
    if value is None:
        raise DecodeError(Reason.NULL_FIELD, name, "expected a value, got null")
    return _string(name, value) if name in STRING_FIELDS else _code(name, value)


def _string(name: str, value: object) -> str:
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise DecodeError(Reason.WRONG_TYPE, name, f"expected a string, got {_shown(value)}")
    if not value and name != "device_id":
        raise DecodeError(Reason.EMPTY_FIELD, name, "expected a non-empty string, got an empty one")
    if len(value) > MAX_STRING:
        detail = f"expected at most {MAX_STRING} characters, got {len(value)}: {_shown(value)}"
        raise DecodeError(Reason.TOO_LONG, name, detail)
    if not _encodable(value):
        raise DecodeError(Reason.NOT_UTF8, name, f"expected Unicode text, got a lone surrogate: {_shown(value)}")
    return value


def _code(name: str, value: object) -> int:
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise DecodeError(Reason.TOO_LONG, name, f"expected an integer, got {len(value)} characters")
    code = _integer(name, value)
    if name == "hour":
        if not hours.is_hour(code):
            raise _wrong_hour(value)
    elif not -(2**31) <= code < 2**31:
        raise DecodeError(Reason.OUT_OF_RANGE, name, f"expected a 32-bit integer, got {_shown(value)}")
    return code


def _integer(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value):  # leading zeros too, as an hour of 2005 has
        return int(value)
    wrong = DecodeError(Reason.WRONG_TYPE, name, f"expected an integer, got {_shown(value)}")
    if isinstance(value, bool) or not isinstance(value, float | str):
        raise wrong
    try:
        number = float(value)
    except ValueError:
        raise wrong from None
    if not math.isfinite(number):
        raise DecodeError(Reason.NOT_A_NUMBER, name, f"expected an integer, got {_shown(value)}")
    try:
        integer: int = msgspec.convert(value, int, strict=False)  # the decoder's own rule, for floats such as "1.0"
    except msgspec.ValidationError:
        raise wrong from None
    return integer


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong_hour(value: object) -> DecodeError:
    return DecodeError(Reason.WRONG_HOUR, "hour", f"expected YYMMDDHH of a real date and hour, got {_shown(value)}")


def _shown(value: object, limit: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
