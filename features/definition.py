"""The one definition of a row: which features there are, and how an impression and its counts become their values.

Trainer, stream, API and verification all call `builder(...)`; nothing else computes a feature.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter

from features.ctr import Lookup
from features.windows import COUNT_NAMES, Counts
from schemas import hours
from schemas.impression import CODE_FIELDS, NULL_DEVICE_ID, Impression

# One table a line, those over combinations of fields last.
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

_raw = attrgetter(*_RAW)
_singles = tuple(table for table, fields in TABLES.items() if len(fields) == 1)
_combined = tuple(table for table, fields in TABLES.items() if len(fields) > 1)
_single_values = attrgetter(*(TABLES[table][0] for table in _singles))  # all values in one call


def builder(tables: Mapping[str, Lookup], prior: Callable[[], float] | float) -> Build:
    """The function that makes a row, in the order of FEATURE_NAMES.

    Args:
        tables: the lookup of each name in TABLES.
        prior: the CTR of a value never seen; a function where it changes as the log is read.

    Raises:
        KeyError: a table is missing.
    """
    single_rates = [tables[table].get for table in _singles]
    combined_rates = [(attrgetter(*TABLES[table]), tables[table].get) for table in _combined]
    current_prior = prior if callable(prior) else lambda: prior

    def build(impression: Impression, counts: Counts) -> Row:
        unseen = current_prior()
        row = [rate_of(value, unseen) for rate_of, value in zip(single_rates, _single_values(impression), strict=True)]
        row += [rate_of(values_of(impression), unseen) for values_of, rate_of in combined_rates]
        row += counts
        row += _raw(impression)
        device_id = impression.device_id
        hour = hours.index(impression.hour)
        row += (
            1.0 if device_id and device_id != NULL_DEVICE_ID else 0.0,
            hour % 24,
            (hour // 24 + 3) % 7,  # 1970-01-01 was a Thursday; Monday is 0
        )
        return row

    return build
