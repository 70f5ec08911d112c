"""The one definition of a row."""

import math
from typing import Any

import fakes
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from features import ctr, definition
from features.ctr import Known, Totals
from features.definition import FEATURE_NAMES, TABLES, builder
from features.windows import COUNT_NAMES, Counts
from schemas.impression import CODE_FIELDS, FIELDS, NULL_DEVICE_ID, Impression

ZEROS = (0,) * len(COUNT_NAMES)
COUNTS = st.tuples(*[st.integers(0, 2**24)] * len(COUNT_NAMES))


def named(impression: Impression, counts: Counts = ZEROS, **tables: dict[Any, Totals]) -> dict[str, float]:
    """The row by feature name, with the tables given and empty ones for the others; prior 0.125, weight 10."""
    build = builder({table: ctr.table(tables.get(table, {}), 10.0) for table in TABLES}, 0.125)
    return dict(zip(FEATURE_NAMES, build(impression, counts), strict=True))


def test_feature_names_are_unique() -> None:
    """No two features share a name."""
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_tables_are_over_fields_of_the_impression_but_never_its_id_or_the_click() -> None:
    """Every table's fields exist, and none of them identifies a single impression or its outcome."""
    used = {field for fields in TABLES.values() for field in fields}
    assert used <= set(FIELDS) - {"id", "hour", "click"}
    assert set(CODE_FIELDS) <= used | set(FEATURE_NAMES)


def test_a_row_by_hand() -> None:
    """Each value of a row, computed by hand."""
    shown = fakes.impression(hour=14102113)
    row = named(
        shown,
        (1, 20, 0, 3, 4, 5),
        C17={2001: Totals(5, 10, 0.5)},
        C14={20001: Totals(0, 10, 0.25), 20002: Totals(9, 9, 9.0)},
        site_id={"site0001": Totals(0, 10, -1.0)},
        site_id_x_app_id={("site0001", "app00001"): Totals(10, 10)},
        site_id_x_app_id_x_C21={("site0001", "app00001", "23"): Totals(9, 9, 9.0)},  # a string is not the number
    )
    expected = {f"ctr_{table}": 0.125 for table in TABLES} | {
        "ctr_C17": 0.3125,  # half 5 of 10, half the prior
        "ctr_C14": 0.15625,  # half 0 of 10, half the campaign's
        "ctr_site_id": 0.0625,
        **{name: 0.5625 for name in FEATURE_NAMES if name.startswith("ctr_site_id_x_app_id")},  # the publisher's
        "device_ip_count_1h": 1,
        "device_ip_count_24h": 20,
        "device_id_count_1h": 0,
        "device_id_count_24h": 3,
        "user_count_1h": 4,
        "user_count_24h": 5,
        "C1": 1005,
        "banner_pos": 1,
        "device_type": 1,
        "device_conn_type": 2,
        "C15": 320,
        "C16": 50,
        "C18": 3,
        "C21": 23,
        "device_id_known": 1.0,
        "log_odds": pytest.approx(math.log(1 / 7) - 0.25),
    }
    assert row == expected


@pytest.mark.parametrize(("device_id", "known"), [("", 0.0), (NULL_DEVICE_ID, 0.0), ("d", 1.0), ("A99F214A", 1.0)])
def test_a_real_device_id_is_known(device_id: str, known: float) -> None:
    """device_id_known is 1 exactly where the device is counted."""
    assert named(fakes.impression(device_id=device_id))["device_id_known"] == known


def test_an_unseen_value_gets_the_prior() -> None:
    """Where nothing is known all rates are the prior, and the log-odds are its own."""
    row = builder({table: {} for table in TABLES}, 0.25)(fakes.impression(), ZEROS)
    assert row[: len(TABLES)] == [0.25] * len(TABLES)
    assert row[-1] == pytest.approx(math.log(1 / 3))


@given(st.lists(strategies.wide_impressions(), min_size=1, max_size=4), st.data())
@settings(max_examples=30)
def test_what_is_remembered_changes_no_row(shown: list[Impression], data: st.DataObject) -> None:
    """A row is the same however often and after whatever else it is asked for, also when memory is full."""
    tables: Any = {table: fakes.Hashed() for table in TABLES}
    build = builder(tables, 0.125)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definition, "_REMEMBER_MOST", data.draw(st.sampled_from([1, 2, 100])))
        for one in data.draw(st.lists(st.sampled_from(shown), max_size=20)):
            assert build(one, ZEROS) == builder(tables, 0.125)(one, ZEROS)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ads there are, only so many are remembered."""
    monkeypatch.setattr(definition, "_REMEMBER_MOST", 10)
    build = builder({table: {} for table in TABLES}, 0.25)
    for number in range(95):
        build(fakes.impression(C14=number), ZEROS)
    assert len(build.__globals__["ad"]) == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", ["C14", "site_id_x_app_id_x_device_model"])
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

        def get(self, value: object, _: Known, /) -> Known:
            asked[self.table] = value
            return Known(list(TABLES).index(self.table) / 20, 0.0, 0.0)

    tables: Any = {table: Numbered(table) for table in TABLES}
    row = builder(tables, 0.5)(impression, (0,) * len(COUNT_NAMES))
    by_name = dict(zip(FEATURE_NAMES, row, strict=True))
    assert [by_name[f"ctr_{table}"] for table in TABLES] == [number / 20 for number in range(len(TABLES))]
    for table, (first, *more) in TABLES.items():
        values = [getattr(impression, field) for field in (first, *more)]
        assert asked[table] == (tuple(values) if more else values[0])
