"""Rows as serving would have built them: counts of before, clicks of hours that were over, nothing of the future."""

from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pandas as pd
import strategies
from fakes import NaiveCounts
from hypothesis import given, settings
from hypothesis import strategies as st

from features import ctr
from features.ctr import smoothed
from features.definition import FEATURE_NAMES, TABLES, builder
from features.keys import keys
from features.windows import COUNT_NAMES, State, observe
from schemas import hours, impression
from schemas.impression import CODE_FIELDS, FIELDS, LoggedImpression
from trainer import prepare
from trainer.build_features import Built, build

WEIGHT = 20.0
START = hours.index(14103122)  # the log runs over the end of a day and a month
COUNTS = [FEATURE_NAMES.index(name) for name in COUNT_NAMES]


def until(hours_later: int) -> int:
    """The YYMMDDHH so many hours after the logs begin."""
    return hours.from_index(START + hours_later)


def rows(max_size: int = 16) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of a small labelled log in four hours, in any order."""
    row = st.builds(
        lambda hour, shown, click: {
            **{name: getattr(shown, name) for name in FIELDS},
            "hour": hours.from_index(START + hour),
            "click": click,
        },
        st.integers(0, 3),
        strategies.impressions(),
        st.integers(0, 1),
    )
    return st.lists(row, min_size=1, max_size=max_size)


def frame(found: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as read_log gives them."""
    types = dict.fromkeys((*CODE_FIELDS, "hour", "click"), "int32")
    return pd.DataFrame(found).astype(types).sort_values("hour", kind="stable", ignore_index=True)


def of_click_log(count: int, **arguments: Any) -> pd.DataFrame:
    """A bigger made-up log."""
    log = fakes.click_log(count, **arguments)
    return frame([{name: getattr(row, name) for name in (*FIELDS, "click")} for row in log])


def same(one: Built, other: Built) -> bool:
    """Whether two results have the same rows, tables and prior."""
    return np.array_equal(one.rows, other.rows) and (one.tables, one.prior) == (other.tables, other.prior)


@given(rows(), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_clicks_of_an_hour_change_no_row_of_that_hour_or_before(
    found: list[dict[str, Any]], hour: int, random: Any
) -> None:
    """Causality: whatever the clicks from an hour on are, the rows up to and in that hour are the same, to the bit."""
    other = [row | {"click": random.randint(0, 1)} if row["hour"] >= until(hour) else row for row in found]
    one, changed = build(frame(found), until(9), WEIGHT), build(frame(other), until(9), WEIGHT)
    before = one.hours <= until(hour)
    assert np.array_equal(one.rows[before], changed.rows[before])


@given(rows(), st.integers(0, 4), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_clicks_from_train_until_on_are_never_looked_at(found: list[dict[str, Any]], hour: int, random: Any) -> None:
    """The test's clicks change nothing: no row, no table, not the prior."""
    other = [row | {"click": random.randint(0, 1)} if row["hour"] >= until(hour) else row for row in found]
    assert same(build(frame(found), until(hour), WEIGHT), build(frame(other), until(hour), WEIGHT))


def test_clicks_do_matter_where_they_may() -> None:
    """The two properties above are not empty: an early click changes later rows, tables and prior."""
    log = of_click_log(100, hours_spanned=4)
    other = log.copy()
    other.loc[0, "click"] = 1 - other.loc[0, "click"]
    one, changed = build(log, 99123123, WEIGHT), build(other, 99123123, WEIGHT)
    assert not np.array_equal(one.rows, changed.rows)
    assert one.tables != changed.tables
    assert one.prior != changed.prior


@given(rows())
@settings(max_examples=15)
def test_counts_are_those_of_the_oracle(found: list[dict[str, Any]]) -> None:
    """The count features of each row are recounted from all impressions before it, by definition."""
    log = frame(found)
    built = build(log, until(2), WEIGHT)
    oracle = NaiveCounts()
    expected = [oracle.observe(keys(shown), hours.index(shown.hour)) for shown in prepare.impressions(log)]
    assert built.rows[:, COUNTS].tolist() == [list(map(float, counts)) for counts in expected]


@given(rows(), st.integers(0, 4))
@settings(max_examples=15)
def test_rates_are_those_of_the_hours_that_were_over(found: list[dict[str, Any]], hour: int) -> None:
    """Each table's rate is recomputed from the rows of earlier hours before train_until, by definition."""
    log = frame(found)
    built = build(log, until(hour), WEIGHT)
    labelled = [LoggedImpression(**row) for row in log[[*FIELDS, "click"]].to_dict("records")]  # type: ignore[misc]
    for row, shown in zip(built.rows.tolist(), labelled, strict=True):
        known = [one for one in labelled if one.hour < min(shown.hour, until(hour))]
        prior = (sum(one.click for one in known) + 1) / (len(known) + 2)
        for position, fields in enumerate(TABLES.values()):
            alike = [one for one in known if all(getattr(one, name) == getattr(shown, name) for name in fields)]
            rate = smoothed(sum(one.click for one in alike), len(alike), prior, WEIGHT) if alike else prior
            assert row[position] == np.float32(rate)


def test_published_tables_are_the_totals_before_train_until() -> None:
    """Every value's clicks and impressions, and the prior, over the hours that are learnt from."""
    log = of_click_log(400, hours_spanned=6)
    built = build(log, 14102104, WEIGHT)
    learnt = log[log["hour"] < 14102104]
    assert set(built.tables) == set(TABLES)
    for table, fields in TABLES.items():
        expected: dict[Any, tuple[int, int]] = {}
        for values, click in zip(learnt[list(fields)].itertuples(index=False), learnt["click"], strict=True):
            value = tuple(values) if len(fields) > 1 else values[0]
            clicks, shown = expected.get(value, (0, 0))
            expected[value] = (clicks + click, shown + 1)
        assert built.tables[table] == expected
    assert built.prior == (learnt["click"].sum() + 1) / (len(learnt) + 2)


def test_rows_keep_the_logs_order_and_labels() -> None:
    """Row, click and hour of each position belong together; rows of one hour are not reordered."""
    log = of_click_log(200, hours_spanned=3)
    built = build(log, 14102102, WEIGHT)
    assert built.rows.shape == (200, len(FEATURE_NAMES))
    assert built.rows.dtype == np.float32
    assert built.clicks.tolist() == log["click"].tolist()
    assert built.hours.tolist() == log["hour"].tolist()
    for name in ("banner_pos", "C15", "C16"):
        assert built.rows[:, FEATURE_NAMES.index(name)].tolist() == log[name].tolist()


def test_rows_are_those_of_the_stream() -> None:
    """From train_until on, a row is what the stream builds from the message: decode, keys, observe, build."""
    log = fakes.click_log(300, hours_spanned=30)
    built = build(of_click_log(300, hours_spanned=30), 14102120, WEIGHT)
    tables = {table: ctr.lookup(totals, built.prior, WEIGHT) for table, totals in built.tables.items()}
    build_row = builder(tables, built.prior)
    state: State = {}
    rows_of_stream = []
    for message in map(impression.encode, log):
        shown = impression.decode(message)
        rows_of_stream.append(build_row(shown, observe(state, keys(shown), hours.index(shown.hour))))
    test = built.hours >= 14102120
    assert 0 < test.sum() < 300
    assert np.array_equal(built.rows[test], np.array(rows_of_stream, dtype=np.float32)[test])


def test_on_the_real_sample_rows_are_those_of_the_stream(sample_path: Path) -> None:
    """The same on the second day of the real log's sample, read by the replay and by the trainer."""
    from replay import log as logs

    log = prepare.read_log(sample_path)
    built = build(log, 14102200, WEIGHT)
    tables = {table: ctr.lookup(totals, built.prior, WEIGHT) for table, totals in built.tables.items()}
    build_row = builder(tables, built.prior)
    state: State = {}
    rows_of_stream = []
    for message in logs.messages(sample_path):
        shown = impression.decode(message.value)
        rows_of_stream.append(build_row(shown, observe(state, keys(shown), hours.index(shown.hour))))
    test = built.hours >= 14102200
    assert test.sum() == 8_062
    assert np.array_equal(built.rows[test], np.array(rows_of_stream, dtype=np.float32)[test])


def test_progress_is_told_row_by_row() -> None:
    """All rows are reported, once each."""
    told: list[int] = []
    build(of_click_log(100, hours_spanned=4), 14102102, WEIGHT, told.append)
    assert sum(told) == 100
    assert len(told) == 4
