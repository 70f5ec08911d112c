"""The one definition of a row."""

import fakes
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from features.definition import FEATURE_NAMES, TABLES, builder
from features.windows import COUNT_NAMES, Counts
from schemas.impression import CODE_FIELDS, FIELDS, NULL_DEVICE_ID, Impression

ZEROS = (0,) * len(COUNT_NAMES)
COUNTS = st.tuples(*[st.integers(0, 2**24)] * len(COUNT_NAMES))


def named(impression: Impression, counts: Counts = ZEROS, **tables: dict[object, float]) -> dict[str, float]:
    """The row by feature name, with the tables given and empty ones for the others; the prior is 0.125."""
    build = builder({table: tables.get(table, {}) for table in TABLES}, 0.125)  # type: ignore[arg-type]
    return dict(zip(FEATURE_NAMES, build(impression, counts), strict=True))


def test_feature_names_are_unique() -> None:
    """No two features share a name."""
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_tables_are_over_fields_of_the_impression_but_never_its_id_or_the_click() -> None:
    """Every table's fields exist, and none of them identifies a single impression or its outcome."""
    used = {field for fields in TABLES.values() for field in fields}
    assert used <= set(FIELDS) - {"id", "hour", "click"}
    assert set(CODE_FIELDS) <= used


def test_a_row_by_hand() -> None:
    """Each value of a row, computed by hand."""
    shown = fakes.impression(hour=14102113)  # a Tuesday, 13h
    row = named(
        shown,
        (1, 20, 0, 3, 4, 5),
        C14={20001: 0.5, 20002: 0.9},
        site_id={"site0001": 0.0625},
        site_id_x_C14={("site0001", 20001): 0.75, ("site0001", 20002): 0.1},
        app_id_x_C14={("app00001", "20001"): 0.9},  # a string is not the number
    )
    expected = {f"ctr_{table}": 0.125 for table in TABLES} | {
        "ctr_C14": 0.5,
        "ctr_site_id": 0.0625,
        "ctr_site_id_x_C14": 0.75,
        "device_ip_count_1h": 1,
        "device_ip_count_24h": 20,
        "device_id_count_1h": 0,
        "device_id_count_24h": 3,
        "user_count_1h": 4,
        "user_count_24h": 5,
        "banner_pos": 1,
        "device_type": 1,
        "device_conn_type": 2,
        "C15": 320,
        "C16": 50,
        "C18": 3,
        "device_id_known": 1.0,
        "hour_of_day": 13,
        "day_of_week": 1,
    }
    assert row == expected


@pytest.mark.parametrize(("device_id", "known"), [("", 0.0), (NULL_DEVICE_ID, 0.0), ("d", 1.0), ("A99F214A", 1.0)])
def test_a_real_device_id_is_known(device_id: str, known: float) -> None:
    """device_id_known is 1 exactly where the device is counted."""
    assert named(fakes.impression(device_id=device_id))["device_id_known"] == known


@pytest.mark.parametrize(
    ("hour", "of_day", "of_week"),
    [(14102000, 0, 0), (14102623, 23, 6), (14102700, 0, 0), (16022912, 12, 0), (10101, 1, 5), (14103123, 23, 4)],
)
def test_the_hour_gives_time_of_day_and_week(hour: int, of_day: int, of_week: int) -> None:
    """Hour 0 to 23 and weekday 0 (Monday) to 6, over the ends of weeks, months and years."""
    row = named(fakes.impression(hour=hour))
    assert (row["hour_of_day"], row["day_of_week"]) == (of_day, of_week)


def test_an_unseen_value_gets_the_prior_of_the_moment() -> None:
    """A prior that changes as the log is read is asked anew for each row."""
    current = [0.25]
    build = builder({table: {} for table in TABLES}, lambda: current[0])  # type: ignore[misc]
    zeros = (0,) * len(COUNT_NAMES)
    first = build(fakes.impression(), zeros)
    current[0] = 0.5
    second = build(fakes.impression(), zeros)
    assert first[: len(TABLES)] == [0.25] * len(TABLES)
    assert second[: len(TABLES)] == [0.5] * len(TABLES)
    assert first[len(TABLES) :] == second[len(TABLES) :]


@pytest.mark.parametrize("missing", ["C1", "site_domain_x_device_model"])
def test_a_missing_table_is_named(missing: str) -> None:
    """A builder without one of the tables is refused at once, with the table's name."""
    with pytest.raises(KeyError, match=missing):
        builder({table: {} for table in TABLES if table != missing}, 0.5)


@given(strategies.wide_impressions(), COUNTS)
def test_a_row_is_a_pure_function_as_long_as_the_names(impression: Impression, counts: Counts) -> None:
    """The same arguments give the same numbers, one a name, and rows do not share memory."""
    build = builder({table: fakes.Hashed() for table in TABLES}, 0.125)
    row = build(impression, counts)
    again = build(impression, counts)
    assert row == again
    assert row is not again
    assert len(row) == len(FEATURE_NAMES)
    assert all(isinstance(value, int | float) for value in row)


@given(strategies.impressions(), COUNTS)
def test_the_id_changes_nothing(impression: Impression, counts: Counts) -> None:
    """Two impressions that differ only in their id have the same row."""
    build = builder({table: fakes.Hashed() for table in TABLES}, 0.125)
    other = type(impression)(**{name: getattr(impression, name) for name in FIELDS} | {"id": "another"})
    assert build(impression, counts) == build(other, counts)


@given(strategies.wide_impressions())
def test_each_table_is_asked_for_its_own_value_and_answers_under_its_own_name(impression: Impression) -> None:
    """ctr_<table> holds what that table says of exactly that table's fields."""
    asked: dict[str, object] = {}

    class Numbered:
        def __init__(self, table: str) -> None:
            self.table = table

        def get(self, value: object, _: float, /) -> float:
            asked[self.table] = value
            return float(list(TABLES).index(self.table))

    row = builder({table: Numbered(table) for table in TABLES}, 0.5)(impression, (0,) * len(COUNT_NAMES))
    by_name = dict(zip(FEATURE_NAMES, row, strict=True))
    assert [by_name[f"ctr_{table}"] for table in TABLES] == list(range(len(TABLES)))
    for table, (first, *more) in TABLES.items():
        values = [getattr(impression, field) for field in (first, *more)]
        assert asked[table] == (tuple(values) if more else values[0])
