"""The one definition of a row: which features there are, and how an impression and its counts become their values.

Trainer, stream, API and verification all call `builder(...)`; nothing else computes a feature.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from features.ctr import UNSEEN, Table
from features.windows import COUNT_NAMES, Counts
from schemas.impression import NULL_DEVICE_ID, Impression

# A publisher is a site or an app, and the other of the two fields holds the log's null: both together are its name.
_PUBLISHER = ("site_id", "app_id")

# One table a line: its fields, and the table to whose rate its own is drawn, where it has seen little or nothing. That
# stands before it: an ad is of a campaign, which is of an advertiser, as it seems; None is the log's CTR.
_TABLE_FIELDS: dict[tuple[str, ...], tuple[str, ...] | None] = {
    ("C21",): None,
    ("C17",): ("C21",),
    ("C14",): ("C17",),
    ("C19",): None,
    ("C20",): None,
    ("site_id",): None,
    ("site_domain",): None,
    ("app_id",): None,
    ("app_domain",): None,
    ("device_model",): None,
    _PUBLISHER: None,
    (*_PUBLISHER, "C21"): _PUBLISHER,
    (*_PUBLISHER, "C17"): (*_PUBLISHER, "C21"),
    (*_PUBLISHER, "C14"): (*_PUBLISHER, "C17"),
    (*_PUBLISHER, "device_model"): _PUBLISHER,
}
TABLES = {"_x_".join(fields): fields for fields in _TABLE_FIELDS}

# Codes of few values go into the row as they are: the trees split them themselves.
_RAW = ("C1", "banner_pos", "device_type", "device_conn_type", "C15", "C16", "C18", "C21")

# The linear model's log-odds of a click: those of the prior, and what each value adds.
LOG_ODDS = "log_odds"

# No time of the day or week: in a log of days, each hour stands for its own day, and for how full the tables were then.
FEATURE_NAMES = (
    *(f"ctr_{table}" for table in TABLES),
    *COUNT_NAMES,
    *_RAW,
    "device_id_known",
    LOG_ODDS,
)

Row = list[float]
Build = Callable[[Impression, Counts], Row]


def builder(tables: Mapping[str, Table], prior: float) -> Build:
    """The function that makes a row, in the order of FEATURE_NAMES.

    Args:
        tables: each name in TABLES; they may grow between two calls.
        prior: the log's CTR.

    Raises:
        KeyError: a table is missing.
    """
    names: dict[str, Any] = {f"known_{table}": tables[table].get for table in TABLES}
    names |= {"prior": prior, "prior_log_odds": math.log(prior / (1 - prior)), "NULL": NULL_DEVICE_ID, "UNSEEN": UNSEEN}
    exec(_SOURCE, names)  # noqa: S102  # our own text, below; unrolled, it takes half the time of a loop over the tables
    return cast(Build, names["build"])


def _source() -> str:
    """The text of `build`: for each table one lookup, its rate, and the sum of the log-odds."""
    used = sorted({field for fields in TABLES.values() for field in fields} | {"device_id"})
    lines = [f"{field} = impression.{field}" for field in used] + ["log_odds = prior_log_odds"]
    for table, (fields, broader) in zip(TABLES, _TABLE_FIELDS.items(), strict=True):
        value = fields[0] if len(fields) == 1 else f"({', '.join(fields)})"
        drawn_to = "prior" if broader is None else f"ctr_{'_x_'.join(broader)}"
        lines += [
            f"own, rest, adds = known_{table}({value}, UNSEEN)",
            f"ctr_{table} = own + rest * {drawn_to}",
            "log_odds += adds",
        ]
    rates = [f"ctr_{table}" for table in TABLES]
    raw = [field if field in used else f"impression.{field}" for field in _RAW]
    known = "1.0 if device_id and device_id != NULL else 0.0"
    lines.append(f"return [{', '.join(rates)}, *counts, {', '.join(raw)}, {known}, log_odds]")
    return "def build(impression, counts):\n" + "\n".join(f"    {line}" for line in lines)


_SOURCE = _source()
