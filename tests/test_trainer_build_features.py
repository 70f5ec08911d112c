"""Rows as serving would have built them: counts of before, clicks of hours that were over, nothing of the future."""

from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import strategies
from fakes import NaiveCounts
from hypothesis import given, settings
from hypothesis import strategies as st

from features import ctr
from features.ctr import smoothed
from features.definition import FEATURE_NAMES, TABLES, builder
from features.keys import keys
from features.windows import COUNT_NAMES, State, observe
from model.tables import read_tables
from schemas import hours, impression
from schemas.impression import CODE_FIELDS, FIELDS, Impression, LoggedImpression
from trainer import causal, prepare
from trainer.build_features import TABLES as TABLES_FOLDER
from trainer.build_features import Built, build, build_features, read

pytestmark = pytest.mark.slow

WEIGHT = 20.0
START = hours.index(14103122)  # the log runs over the end of a day and a month
PUBLISHER = "site_id_x_app_id"
BROADER = {  # the table to whose rate a table's is drawn
    "C17": "C21",
    "C14": "C17",
    f"{PUBLISHER}_x_C21": PUBLISHER,
    f"{PUBLISHER}_x_C17": f"{PUBLISHER}_x_C21",
    f"{PUBLISHER}_x_C14": f"{PUBLISHER}_x_C17",
    f"{PUBLISHER}_x_device_model": PUBLISHER,
}
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


def impressions(log: pd.DataFrame) -> list[Impression]:
    """The impressions of a frame's rows."""
    return list(prepare.impressions(pa.Table.from_pandas(log)))


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
    expected = [oracle.observe(keys(shown), hours.index(shown.hour)) for shown in impressions(log)]
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
        rates: dict[str, float] = {}
        for position, (table, fields) in enumerate(TABLES.items()):
            alike = [one for one in known if all(getattr(one, name) == getattr(shown, name) for name in fields)]
            broader = rates.get(BROADER.get(table, ""), prior)
            rates[table] = smoothed(sum(one.click for one in alike), len(alike), broader, WEIGHT) if alike else broader
            assert row[position] == np.float32(rates[table])


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
        assert {value: totals[:2] for value, totals in built.tables[table].items()} == expected
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
    build_row = builder({table: ctr.table(totals, WEIGHT) for table, totals in built.tables.items()}, built.prior)
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
    build_row = builder({table: ctr.table(totals, WEIGHT) for table, totals in built.tables.items()}, built.prior)
    state: State = {}
    rows_of_stream = []
    for message in logs.messages(sample_path):
        shown = impression.decode(message.value)
        rows_of_stream.append(build_row(shown, observe(state, keys(shown), hours.index(shown.hour))))
    test = built.hours >= 14102200
    assert test.sum() == 8_062
    assert np.array_equal(built.rows[test], np.array(rows_of_stream, dtype=np.float32)[test])


def test_a_folder_of_features_is_what_is_built_in_memory(tmp_path: Path) -> None:
    """Rows, labels, hours, tables and prior, bit for bit; columns lie together, as CatBoost wants them."""
    log = fakes.click_log(700, hours_spanned=60)
    told: list[int] = []
    prepare.prepare(fakes.write_log(tmp_path / "log.csv", log), tmp_path / "prepared")
    made = build_features(tmp_path / "prepared", tmp_path / "features", 14102200, WEIGHT, told.append)
    expected = build(prepare.read_log(tmp_path / "log.csv"), 14102200, WEIGHT)
    features, built = read(tmp_path / "features")
    assert np.array_equal(built.rows, expected.rows)
    assert (read_tables(tmp_path / "features" / TABLES_FOLDER), features.prior) == (expected.tables, expected.prior)
    assert built.clicks.tolist() == expected.clicks.tolist()
    assert built.hours.tolist() == expected.hours.tolist()
    assert (built.rows.dtype, built.clicks.dtype, built.hours.dtype) == (np.float32, np.int8, np.int32)
    assert built.rows.flags.f_contiguous
    assert features == made
    assert (made.first_hour, made.train_until, made.names) == (14102100, 14102200, FEATURE_NAMES)
    assert sum(told) == 700


@given(st.integers(14102000, 14102323), st.integers(14102000, 14102323))
def test_between_is_a_span_of_hours(from_hour: int, until_hour: int) -> None:
    """Rows, clicks and hours of the same span, without copying."""
    when = np.array([14102100, 14102100, 14102105, 14102200, 14102223], dtype=np.int32)
    built = Built(np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5, dtype=np.int8), when, {}, 0.2)
    part = built.between(from_hour, until_hour)
    expected = [position for position, hour in enumerate(when.tolist()) if from_hour <= hour < until_hour]
    assert part.clicks.tolist() == expected
    assert part.hours.tolist() == when[expected].tolist()
    assert part.rows.tolist() == built.rows[expected].tolist()
    assert len(expected) == 0 or np.shares_memory(part.rows, built.rows)


def test_what_is_forgotten_is_never_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting old counts each hour gives the rows that never forgetting gives."""
    log = of_click_log(600, hours_spanned=80)
    expected = build(log, 14102200, WEIGHT)
    monkeypatch.setattr(causal, "FORGET_HOURS", 1)
    assert same(build(log, 14102200, WEIGHT), expected)
    monkeypatch.setattr(causal, "forget", lambda state, hour: None)
    assert same(build(log, 14102200, WEIGHT), expected)


def test_progress_is_told_row_by_row() -> None:
    """All rows are reported, once each."""
    told: list[int] = []
    build(of_click_log(100, hours_spanned=4), 14102102, WEIGHT, told.append)
    assert sum(told) == 100
    assert len(told) == 4


def test_tables_that_are_kept_for_a_day_learn_by_whole_days() -> None:
    """In a log of days a row has the clicks of the days before its own, as served bundles do; the test has all."""
    log = of_click_log(600, hours_spanned=100)
    built = build(log, 14102412, WEIGHT)
    sites = log["site_id"].to_numpy()
    for day in (141021, 141022, 141023, 141024):
        before, now = built.hours // 100 < day, (built.hours // 100 == day) & (built.hours < 14102412)
        prior = (built.clicks[before].sum() + 1) / (before.sum() + 2)
        for site, row in zip(sites[now], built.rows[now], strict=True):
            alike = built.clicks[before & (sites == site)]
            rate = smoothed(int(alike.sum()), len(alike), prior, WEIGHT)
            assert row[FEATURE_NAMES.index("ctr_site_id")] == np.float32(rate)
    assert sum(totals.impressions for totals in built.tables["C14"].values()) == (built.hours < 14102412).sum()
