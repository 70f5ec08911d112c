"""The score: the record out, one for each impression, and its JSON bytes."""

from collections.abc import Sequence
from typing import cast

import msgspec


class Score(msgspec.Struct, frozen=True, gc=False):
    """The answer to one impression.

    `struct_of` adds the count features used, each under its feature's name, and `degraded`: true where the counts were
    not to be had and are taken to be 0 (see DEGRADED_AFTER_SECONDS).
    """

    id: str
    device_ip: str
    click_proba: float
    model_version: str
    hour: int  # YYMMDDHH of the impression
    scored_at: float  # seconds since 1970: the one field that a redelivery may change
    partition: int  # of the impression in its topic
    offset: int  # of the impression in its partition
    batch: int  # the store's number of the batch; (batch, offset) is the order in which impressions were counted


def struct_of(count_names: Sequence[str]) -> type[Score]:
    """The Score with one more integer field a count feature, in the order of `count_names`."""
    fields: list[tuple[str, type] | tuple[str, type, object]] = [(name, int) for name in count_names]
    fields.append(("degraded", bool, False))  # in the JSON only where it is true
    made = msgspec.defstruct("CountedScore", fields, bases=(Score,), frozen=True, gc=False, omit_defaults=True)
    return cast(type[Score], made)


def decode(payload: bytes, struct: type[Score]) -> Score:
    """The score in a message's bytes.

    Raises:
        msgspec.ValidationError: the bytes are no score with these count features.
    """
    return msgspec.json.decode(payload, type=struct)
