"""Impressions in requests: query parameters, JSON bodies, and how much of them is read."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request

from api.problems import Fault, ProblemError, fault, rejected
from schemas import impression
from schemas.errors import DecodeError
from schemas.impression import STRING_FIELDS, Impression

MAX_IMPRESSION_BYTES = 16_384  # the longest sensible one has 2 KiB; what it ignores must not be endless either

_list = msgspec.json.Decoder(list[msgspec.Raw])
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def from_fields(fields: Mapping[str, Any], position: int | None = None) -> Impression:
    """The impression in a mapping of field to value, such as query parameters.

    Raises:
        ProblemError: 422 that names every bad field.
    """
    try:
        found = impression.from_mapping(fields)
    except DecodeError:
        raise rejected([fault(error, position) for error in impression.faults(fields)]) from None
    if faults := _control_characters(found, position):
        raise rejected(faults)
    return found


def from_query(request: Request) -> Impression:
    """The impression in the query parameters.

    Raises:
        ProblemError: 422 that names every bad field; 414.
    """
    query: bytes = request.scope["query_string"]
    if len(query) > MAX_IMPRESSION_BYTES:
        detail = f"expected at most {MAX_IMPRESSION_BYTES} bytes of query, got {len(query)}"
        raise ProblemError(HTTPStatus.REQUEST_URI_TOO_LONG, detail)
    # Not request.query_params: its other views of the parameters cost more than the row and the prediction.
    return from_fields(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))


def from_body(body: bytes, limit: int) -> list[Impression]:
    """The impressions in a JSON body: one object, or a list of at most `limit`.

    Raises:
        ProblemError: 422 that names the bad fields of every impression.
    """
    is_list = body.lstrip()[:1] == b"["
    payloads = _items(body, limit) if is_list else [body]
    found, faults = [], []
    for position, payload in enumerate(payloads):
        place = position if is_list else None
        try:
            shown = _decode(payload)
        except DecodeError as error:
            faults.append(fault(error, place))
            continue
        except ProblemError as error:
            faults += error.faults
            continue
        faults += _control_characters(shown, place)
        found.append(shown)
    if faults:
        raise rejected(faults)
    return found


async def body_of(request: Request, limit: int) -> bytes:
    """The body, of which no more than `limit` bytes are ever held.

    Raises:
        ProblemError: 413.
    """
    too_long = ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected a body of at most {limit} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise too_long
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_long
    return bytes(body)


def _items(body: bytes, limit: int) -> Sequence[bytes]:
    try:
        items = [bytes(raw) for raw in _list.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise rejected([Fault(f"expected a JSON list of impressions: {error}", "not_json")]) from None
    if not 1 <= len(items) <= limit:
        raise rejected([Fault(f"expected 1 to {limit} impressions, got {len(items)}", "wrong_length")])
    return items


def _decode(payload: bytes) -> Impression:
    if len(payload) > MAX_IMPRESSION_BYTES:
        raise rejected([Fault(f"expected at most {MAX_IMPRESSION_BYTES} bytes, got {len(payload)}", "too_long")])
    return impression.decode(payload)


def _control_characters(found: Impression, position: int | None) -> list[Fault]:
    """Nobody types these: they are a client's fault, which the stream takes and a person had better see."""
    if not _CONTROL.search("".join([getattr(found, name) for name in STRING_FIELDS])):
        return []
    place = "" if position is None else f"/{position}"
    return [
        Fault("expected no control characters", "control_character", name, f"{place}/{name}")
        for name in STRING_FIELDS
        if _CONTROL.search(getattr(found, name))
    ]
