"""The prediction: the answer to one impression that is asked about and not counted."""

from collections.abc import Sequence
from typing import cast

import msgspec


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A score without a place in a topic.

    `struct_of` adds the count features used, each under its feature's name, and `degraded`: true where the counts were
    not to be had and are taken to be 0.
    """

    id: str
    device_ip: str
    click_proba: float
    model_version: str
    hour: int  # YYMMDDHH of the impression
    scored_at: float  # seconds since 1970


def struct_of(count_names: Sequence[str]) -> type[Prediction]:
    """The Prediction with one more integer field a count feature, in the order of `count_names`."""
    fields: list[tuple[str, type] | tuple[str, type, object]] = [(name, int) for name in count_names]
    fields.append(("degraded", bool, False))  # in the JSON only where it is true, as in scores
    made = msgspec.defstruct(
        "CountedPrediction", fields, bases=(Prediction,), frozen=True, gc=False, omit_defaults=True
    )
    return cast(type[Prediction], made)
