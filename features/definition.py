"""The one definition of a row: which features there are, and how an impression and its counts become their values.

Trainer, stream, API and verification all call `builder(...)`; nothing else computes a feature.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from features.ctr import UNSEEN, Table
from features.windows import COUNT_NAMES, Counts
from schemas.impression import NULL_DEVICE_ID, Impression

# A publisher is a site or an app, and the other of the two fields holds the log's null: both together are its name.
_PUBLISHER = ("site_id", "app_id")

# One table a line: its fields, and the table to whose rate its own is drawn, where it has seen little or nothing. That
# stands before it: an ad is of a campaign, which is of an advertiser, as it seems; None is the log's CTR.
_TableFields = dict[tuple[str, ...], tuple[str, ...] | None]
_AD: _TableFields = {
    ("C21",): None,
    ("C17",): ("C21",),
    ("C14",): ("C17",),
    ("C19",): None,
    ("C20",): None,
    ("C15",): None,
    ("C18",): None,
}
_INVENTORY: _TableFields = {
    ("site_id",): None,
    ("site_domain",): None,
    ("app_id",): None,
    ("app_domain",): None,
}
_PLACEMENT: _TableFields = {
    _PUBLISHER: None,
    (*_PUBLISHER, "C21"): _PUBLISHER,
    (*_PUBLISHER, "C17"): (*_PUBLISHER, "C21"),
    (*_PUBLISHER, "C14"): (*_PUBLISHER, "C17"),
}
_DEVICE: _TableFields = {
    ("device_model",): None,
    ("device_conn_type",): None,
    (*_PUBLISHER, "device_model"): _PUBLISHER,
}
# What is the same for so many impressions that it is remembered: the same few thousand ads are shown on the same few
# thousand pages. 80 to 98 % of the look-ups are spared, which are half a row's time where tables exceed the cache.
_REMEMBERED = {"ad": _AD, "inventory": _INVENTORY, "placement": _PLACEMENT}
_REMEMBER_MOST = 2**15  # of each; some 70 MB at the most

_TABLE_FIELDS = _AD | _INVENTORY | _PLACEMENT | _DEVICE
TABLES = {"_x_".join(fields): fields for fields in _TABLE_FIELDS}

# What the linear model adds up: each value alone. What a publisher and an ad are together, trees learn from the rates.
LINEAR_TABLES = tuple(table for table, fields in TABLES.items() if len(fields) == 1 or fields == _PUBLISHER)

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
        tables: each name in TABLES. Rows are remembered in part: when tables change, make a new function.
        prior: the log's CTR.

    Raises:
        KeyError: a table is missing.
    """
    names: dict[str, Any] = {f"known_{table}": tables[table].get for table in TABLES}
    names |= {"prior": prior, "prior_log_odds": math.log(prior / (1 - prior)), "NULL": NULL_DEVICE_ID, "UNSEEN": UNSEEN}
    exec(_SOURCE, names)  # noqa: S102  # our own text, below; unrolled, it takes half the time of a loop over the tables
    names |= {part: _Remembered(names[f"{part}_of"]) for part in _REMEMBERED}
    return cast(Build, names["build"])


class _Remembered(dict[tuple[Any, ...], tuple[float, ...]]):
    """What a function gave, by its arguments. Rows take a fifth less time than with lru_cache, which keeps an order."""

    def __init__(self, function: Callable[..., tuple[float, ...]]) -> None:
        self._function = function

    def __missing__(self, arguments: tuple[Any, ...]) -> tuple[float, ...]:
        if len(self) >= _REMEMBER_MOST:
            self.clear()
        found = self[arguments] = self._function(*arguments)
        return found


def _source() -> str:
    """The text of `build`, and of a function for each part that is remembered."""
    lines = []
    for part, table_fields in _REMEMBERED.items():
        lines += [
            f"def {part}_of({', '.join(_fields(table_fields))}):",
            "    log_odds = 0.0",
            *_lookups(table_fields),
            f"    return {', '.join(_rates(table_fields))}, log_odds",
        ]
    used = sorted({*_fields(_TABLE_FIELDS), "device_id"})
    lines += ["def build(impression, counts):", *(f"    {field} = impression.{field}" for field in used)]
    for part, table_fields in _REMEMBERED.items():
        lines.append(f"    {', '.join(_rates(table_fields))}, of_{part} = {part}[{', '.join(_fields(table_fields))}]")
    lines.append(f"    log_odds = {' + '.join(['prior_log_odds', *(f'of_{part}' for part in _REMEMBERED)])}")
    lines += _lookups(_DEVICE)
    raw = [field if field in used else f"impression.{field}" for field in _RAW]
    known = "1.0 if device_id and device_id != NULL else 0.0"
    lines.append(f"    return [{', '.join(_rates(_TABLE_FIELDS))}, *counts, {', '.join(raw)}, {known}, log_odds]")
    return "\n".join(lines)


def _lookups(table_fields: _TableFields) -> Iterator[str]:
    """For each table one lookup, its rate, and its part of the sum of the log-odds if it has one."""
    for fields, broader in table_fields.items():
        value = fields[0] if len(fields) == 1 else f"({', '.join(fields)})"
        table = "_x_".join(fields)
        yield f"    own, rest, adds = known_{table}({value}, UNSEEN)"
        yield f"    {_rate(fields)} = own + rest * {_rate(broader) if broader else 'prior'}"
        if table in LINEAR_TABLES:
            yield "    log_odds += adds"


def _fields(table_fields: _TableFields) -> list[str]:
    """The fields of the tables, each once."""
    return list(dict.fromkeys(field for fields in table_fields for field in fields))


def _rates(table_fields: _TableFields) -> list[str]:
    return [_rate(fields) for fields in table_fields]


def _rate(fields: tuple[str, ...]) -> str:
    return f"ctr_{'_x_'.join(fields)}"


_SOURCE = _source()
