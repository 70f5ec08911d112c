"""Made-up impressions of values that a bundle knows, for people to try."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import ctr
from features.definition import TABLES
from model import bundle
from model.bundle import Card
from schemas.impression import CODE_FIELDS, NULL_DEVICE_ID, STRING_FIELDS, Impression, from_mapping

# Who saw the ad, of whom no table knows: 192.0.2.1 (RFC 5737) is nobody's address.
_SOMEBODY: dict[str, object] = {"id": "1", "device_id": NULL_DEVICE_ID, "device_ip": "192.0.2.1"}
_UNSEEN: dict[str, object] = dict.fromkeys(STRING_FIELDS, "unseen") | dict.fromkeys(CODE_FIELDS, -9)
# Codes that may have no table: the log's most frequent ones.
_USUAL = {"C1": 1005, "banner_pos": 0, "device_type": 1, "device_conn_type": 0, "C15": 320, "C16": 50, "C18": 0}
_FREQUENT = 20  # of a table's values that agree with what is chosen, the most frequent ones are looked at

_Merit = Callable[[float, int], float]  # of a value, by its smoothed CTR and its impressions


class Sample(NamedTuple):
    """An impression and what it shows."""

    name: str
    impression: Impression


def samples(folder: Path, card: Card) -> list[Sample]:
    """A few impressions in the last hour that the bundle was trained on; the folder must be verified."""
    tables = {table: pq.read_table(folder / bundle.table_path(table)) for table in TABLES}
    return [
        Sample("Most frequent values", _impression(card, tables, lambda rate, impressions: impressions)),
        Sample("Values that are clicked often", _impression(card, tables, lambda rate, impressions: rate)),
        Sample("Values that are clicked rarely", _impression(card, tables, lambda rate, impressions: -rate)),
        Sample("Values never seen in training", from_mapping(_UNSEEN | _SOMEBODY | {"hour": card.trained_through})),
    ]


def _impression(card: Card, tables: Mapping[str, pa.Table], merit: _Merit) -> Impression:
    """The impression made of each table's best row; those over most fields first, so that its values go together."""
    chosen: dict[str, object] = {}
    for table in sorted(tables, key=lambda name: -len(TABLES[name])):
        chosen |= _best(tables[table], TABLES[table], chosen, card, merit)
    return from_mapping(_UNSEEN | _USUAL | chosen | _SOMEBODY | {"hour": card.trained_through})


def _best(
    rows: pa.Table, fields: tuple[str, ...], chosen: Mapping[str, object], card: Card, merit: _Merit
) -> dict[str, object]:
    """The values of the best row among those that agree with what is chosen; nothing where none does."""
    for field in fields:
        if field in chosen:
            rows = rows.filter(pc.equal(rows[field], chosen[field]))
    frequent = rows.take(pc.select_k_unstable(rows, _FREQUENT, [("impressions", "descending")])).to_pylist()
    if not frequent:
        return {}
    best = max(
        frequent,
        key=lambda row: merit(
            ctr.smoothed(row["clicks"], row["impressions"], card.prior, card.weight), row["impressions"]
        ),
    )
    return {field: best[field] for field in fields}
