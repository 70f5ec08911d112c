"""The clicks of a replayed labelled log beside the scores of its impressions."""

from collections.abc import Sequence

import msgspec

from replay.consume import Read


class _Label(msgspec.Struct):
    click: int


class _Prediction(msgspec.Struct):
    partition: int
    offset: int
    click_proba: float


def clicks_and_predictions(impressions: Sequence[Read], scores: Sequence[Read]) -> tuple[list[int], list[float]]:
    """Of each scored impression the click and the click_proba, in the order of the scores; duplicates once.

    Raises:
        msgspec.ValidationError: a scored impression has no click.
        KeyError: a score's impression is not among `impressions`.
    """
    values = {(record.partition, record.offset): record.value for record in impressions}
    found: dict[tuple[int, int], float] = {}
    for record in scores:
        score = msgspec.json.decode(record.value or b"", type=_Prediction)
        found.setdefault((score.partition, score.offset), score.click_proba)
    clicks = [msgspec.json.decode(values[place] or b"", type=_Label, strict=False).click for place in found]
    return clicks, list(found.values())
