"""Messages that are no impressions, of every kind a producer gets wrong: for demos and tests of dead letters."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from replay.log import Message
from schemas.errors import Reason

Spoil = Callable[[dict[str, Any]], bytes | None]


def _with(**fields: object) -> Spoil:
    return lambda good: json.dumps(good | fields).encode()


def _without(field: str) -> Spoil:
    return lambda good: json.dumps({name: value for name, value in good.items() if name != field}).encode()


KINDS: dict[str, tuple[Reason, Spoil]] = {
    "tombstone": (Reason.TOMBSTONE, lambda _: None),
    "no bytes": (Reason.EMPTY, lambda _: b""),
    "white space": (Reason.EMPTY, lambda _: b" \n"),
    "latin-1 text": (Reason.NOT_UTF8, lambda good: json.dumps(good | {"site_id": "?"}).encode().replace(b"?", b"\xe9")),
    "cut off": (Reason.NOT_JSON, lambda good: json.dumps(good).encode()[:-7]),
    "CSV instead of JSON": (Reason.NOT_JSON, lambda good: ",".join(map(str, good.values())).encode()),
    "deep nesting": (Reason.NOT_JSON, lambda _: b"[" * 20_000),
    "a list": (Reason.NOT_AN_OBJECT, lambda good: json.dumps([good]).encode()),
    "a number": (Reason.NOT_AN_OBJECT, lambda _: b"17"),
    "field missing": (Reason.MISSING_FIELD, _without("device_ip")),
    "empty object": (Reason.MISSING_FIELD, lambda _: b"{}"),
    "null": (Reason.NULL_FIELD, _with(site_id=None)),
    "word for a number": (Reason.WRONG_TYPE, _with(C14="many")),
    "number for a string": (Reason.WRONG_TYPE, _with(app_id=7)),
    "object for a string": (Reason.WRONG_TYPE, _with(device_model={"name": "x"})),
    "NaN": (Reason.NOT_A_NUMBER, _with(C20=float("nan"))),
    "NaN as a string": (Reason.NOT_A_NUMBER, _with(C20="NaN")),
    "huge number": (Reason.OUT_OF_RANGE, _with(C17=2**40)),
    "long string": (Reason.TOO_LONG, _with(device_model="x" * 1000)),
    "empty string": (Reason.EMPTY_FIELD, _with(device_ip="")),
    "hour 25": (Reason.WRONG_HOUR, _with(hour=14103025)),
    "day 32": (Reason.WRONG_HOUR, _with(hour="14103200")),
}


def messages(good: Message) -> Iterator[tuple[Message, Reason]]:
    """Endlessly, a broken copy of a good message of each kind in turn, and the reason it is to be rejected with."""
    fields = json.loads(good.value or b"{}")
    while True:
        for reason, spoil in KINDS.values():
            yield Message(good.key, spoil(fields)), reason
