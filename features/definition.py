"""The one definition of a row: which features there are, and how an impression and its counts become their values.

Trainer, stream, API and verification all call `builder(...)`; nothing else computes a feature.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter

from features.ctr import Lookup, Value
from features.windows import COUNT_NAMES, Counts
from schemas import hours
from schemas.impression import CODE_FIELDS, NULL_DEVICE_ID, Impression

# One table a line; several fields make a table over their combinations.
_TABLE_FIELDS: tuple[tuple[str, ...], ...] = (
    *((field,) for field in CODE_FIELDS),
    ("site_id",),
    ("site_domain",),
    ("site_category",),
    ("app_id",),
    ("app_domain",),
    ("app_category",),
    ("device_model",),
    ("site_id", "C14"),
    ("app_id", "C14"),
    ("site_domain", "device_model"),
)
TABLES = {"_x_".join(fields): fields for fields in _TABLE_FIELDS}

# Codes of a small, ordered or size-like domain go into the row as they are, beside their CTR.
_RAW = ("banner_pos", "device_type", "device_conn_type", "C15", "C16", "C18")

FEATURE_NAMES = (
    *(f"ctr_{table}" for table in TABLES),
    *COUNT_NAMES,
    *_RAW,
    "device_id_known",
    "hour_of_day",
    "day_of_week",
)

Row = list[float]
Build = Callable[[Impression, Counts], Row]

_value_functions: dict[str, Callable[[Impression], Value]] = {
    table: attrgetter(*fields) for table, fields in TABLES.items()
}
_raw = attrgetter(*_RAW)


def table_values(impression: Impression) -> list[Value]:
    """The value of the impression in each of TABLES, in their order."""
    return [value_of(impression) for value_of in _value_functions.values()]


def builder(tables: Mapping[str, Lookup], prior: Callable[[], float] | float) -> Build:
    """The function that makes a row, in the order of FEATURE_NAMES.

    Args:
        tables: the lookup of each name in TABLES.
        prior: the CTR of a value never seen; a function where it changes as the log is read.

    Raises:
        KeyError: a table is missing.
    """
    lookups = tuple((value_of, tables[table].get) for table, value_of in _value_functions.items())
    current_prior = prior if callable(prior) else lambda: prior

    def build(impression: Impression, counts: Counts) -> Row:
        unseen = current_prior()
        hour = hours.index(impression.hour)
        row = [rate_of(value_of(impression), unseen) for value_of, rate_of in lookups]
        row += counts
        row += _raw(impression)
        device_id = impression.device_id
        row += (
            1.0 if device_id and device_id != NULL_DEVICE_ID else 0.0,
            hour % 24,
            (hour // 24 + 3) % 7,  # 1970-01-01 was a Thursday; Monday is 0
        )
        return row

    return build
