"""Made-up impressions of values that a bundle knows, for people to try."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from features import ctr
from features.definition import TABLES
from model import bundle
from model.bundle import Card
from schemas.impression import NULL_DEVICE_ID, STRING_FIELDS, Impression, from_mapping

# What no table knows: who saw the ad. 192.0.2.1 (RFC 5737) is nobody's address.
_UNKNOWN = {"id": "1", "device_id": NULL_DEVICE_ID, "device_ip": "192.0.2.1"}
_COMMON = 0.01  # share of the impressions from which on a value's CTR is more than chance


class Sample(NamedTuple):
    """An impression and what it shows."""

    name: str
    impression: Impression


class _Known(NamedTuple):
    """A value of a field in the training log."""

    value: object
    rate: float  # smoothed
    impressions: int


def samples(folder: Path, card: Card) -> list[Sample]:
    """A few impressions in the last hour that the bundle was trained on; the folder must be verified."""
    fields = {names[0]: _known(folder, card, table) for table, names in TABLES.items() if len(names) == 1}
    return [
        Sample("Most frequent values", _impression(card, fields, lambda known: known.impressions)),
        Sample("Values that are clicked often", _impression(card, fields, lambda known: known.rate)),
        Sample("Values that are clicked rarely", _impression(card, fields, lambda known: -known.rate)),
        Sample("Values never seen in training", _impression(card, {field: [] for field in fields}, lambda known: 0)),
    ]


def _known(folder: Path, card: Card, table: str) -> list[_Known]:
    rows = pq.read_table(folder / bundle.table_path(table)).to_pydict()
    columns = (rows[name] for name in (*TABLES[table], "clicks", "impressions"))
    return [
        _Known(value, ctr.smoothed(clicks, impressions, card.prior, card.weight), impressions)
        for value, clicks, impressions in zip(*columns, strict=True)
    ]


def _impression(card: Card, fields: dict[str, list[_Known]], merit: Callable[[_Known], float]) -> Impression:
    """The impression that has in each field the common value of the highest merit."""
    chosen = {field: _best(field, found, card.impressions, merit) for field, found in fields.items()}
    return from_mapping({**chosen, **_UNKNOWN, "hour": card.trained_through})


def _best(field: str, found: Sequence[_Known], impressions: int, merit: Callable[[_Known], float]) -> object:
    common = [known for known in found if known.impressions >= _COMMON * impressions] or found
    if not common:
        return "unseen" if field in STRING_FIELDS else -9
    return max(common, key=merit).value
