"""The clicks of a replayed labelled log beside the scores of its impressions."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from replay.consume import Read


class Labelled(NamedTuple):
    """A scored impression and whether it was clicked."""

    id: str
    click: int
    click_proba: float


class _Label(msgspec.Struct):
    click: int


class _Prediction(msgspec.Struct):
    id: str
    hour: int
    partition: int
    offset: int
    click_proba: float


def labelled(impressions: Sequence[Read], scores: Sequence[Read], from_hour: int = 0) -> list[Labelled]:
    """The scored impressions of `from_hour` (YYMMDDHH) and later, in the order of the scores; duplicates once.

    Raises:
        msgspec.ValidationError: a scored impression has no click.
        KeyError: a score's impression is not among `impressions`.
    """
    values = {(record.partition, record.offset): record.value for record in impressions}
    found: dict[tuple[int, int], Labelled] = {}
    for record in scores:
        score = msgspec.json.decode(record.value or b"", type=_Prediction)
        place = (score.partition, score.offset)
        if score.hour >= from_hour and place not in found:
            click = msgspec.json.decode(values[place] or b"", type=_Label, strict=False).click
            found[place] = Labelled(score.id, click, score.click_proba)
    return list(found.values())
