"""Reading a labelled log in time order, into memory or into a folder of chunks."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pandas as pd
import pyarrow as pa
import pytest

from schemas.impression import FIELDS, Impression
from trainer import prepare
from trainer.prepare import LogError, chunks, read_card, read_log

pytestmark = pytest.mark.slow

LOG = fakes.click_log(300, seed=2)


def shown(row: Impression) -> Impression:
    """The row without its click."""
    return Impression(*[getattr(row, name) for name in FIELDS])


def impressions(log: pd.DataFrame) -> list[Impression]:
    """The impressions of a frame's rows."""
    return list(prepare.impressions(pa.Table.from_pandas(log)))


def of_folder(folder: Path) -> list[Impression]:
    """The impressions of a prepared log."""
    return [shown for chunk in chunks(folder) for shown in prepare.impressions(chunk.columns)]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_a_log_is_read_row_by_row_as_it_was_written(tmp_path: Path, name: str) -> None:
    """Plain or gzipped, the frame's impressions and clicks are the log's."""
    log = read_log(fakes.write_log(tmp_path / name, LOG))
    assert impressions(log) == [shown(row) for row in LOG]
    assert log["click"].tolist() == [row.click for row in LOG]


def test_rows_are_sorted_by_hour_and_keep_their_order_within_it(tmp_path: Path) -> None:
    """A shuffled log comes in time order; rows of one hour as the file has them."""
    shuffled = random.Random(1).sample(LOG, len(LOG))
    log = read_log(fakes.write_log(tmp_path / "log.csv", shuffled))
    assert impressions(log) == [shown(row) for row in sorted(shuffled, key=lambda row: row.hour)]


def test_values_keep_their_types_and_texts(tmp_path: Path) -> None:
    """Codes are integers; texts that look like numbers, nulls or nothing stay as they are."""
    row = fakes.fields(
        id="0017", site_id="NA", app_id="null", device_id="", site_domain="1e5", device_model='a"b,c', C20=-1
    )
    (found,) = impressions(read_log(fakes.write_log(tmp_path / "log.csv", [row | {"click": 1}])))
    assert found == Impression(**row)
    assert all(type(getattr(found, name)) is type(value) for name, value in row.items())


def test_other_columns_are_left_out_and_any_order_is_taken(tmp_path: Path) -> None:
    """The header says what is what, and what is not needed is not kept."""
    rows = [fakes.fields(click=0, more="x")]
    log = read_log(fakes.write_log(tmp_path / "log.csv", rows, ("more", *reversed(FIELDS), "click")))
    assert set(log.columns) == {*FIELDS, "click"}
    assert impressions(log) == [fakes.impression()]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
@pytest.mark.parametrize("pending", [1, 70, 10**6])
def test_a_folder_holds_the_log_in_time_order(
    tmp_path: Path, name: str, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few rows are kept pending: hours ascend, each comes once, its rows in the order of the file."""
    monkeypatch.setattr(prepare, "PENDING_ROWS", pending)
    monkeypatch.setattr(prepare, "BLOCK_BYTES", 5_000)
    shuffled = random.Random(1).sample(LOG, len(LOG))
    told: list[int] = []
    path = fakes.write_log(tmp_path / name, shuffled)
    prepared = prepare.prepare(path, tmp_path / "prepared", told.append)
    in_order = sorted(shuffled, key=lambda row: row.hour)
    found = list(chunks(tmp_path / "prepared"))
    assert of_folder(tmp_path / "prepared") == [shown(row) for row in in_order]
    assert [click for chunk in found for click in chunk.clicks().tolist()] == [row.click for row in in_order]
    assert [(chunk.hour, len(chunk.columns)) for chunk in found] == list(prepared.hours.items())
    assert list(prepared.hours) == sorted({row.hour for row in LOG})
    assert (prepared.rows, prepared.clicks) == (len(LOG), sum(row.click for row in LOG))
    assert prepared.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sum(told) == path.stat().st_size
    assert read_card(tmp_path / "prepared") == prepared


def test_equal_logs_are_equal_files(tmp_path: Path) -> None:
    """Byte for byte, so that versioning sees what changed; what was in the folder before is gone."""
    path = fakes.write_log(tmp_path / "log.csv", LOG)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "05010100-0000.parquet").write_text("stale")
        prepare.prepare(path, tmp_path / name)
    one, other = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other
    assert "05010100-0000.parquet" not in one


def test_the_test_hours_are_the_logs_last(tmp_path: Path) -> None:
    """Hours without rows count too: it is time that is split, over the end of a month."""
    rows = [fakes.fields(click=0, hour=hour) for hour in (14103100, 14103122, 14110100, 14110102)]
    prepared = prepare.prepare(fakes.write_log(tmp_path / "log.csv", rows), tmp_path / "prepared")
    assert prepared.first() == 14103100
    assert [prepared.first_test_hour(hours) for hours in (0, 1, 3, 6)] == [14110103, 14110102, 14110100, 14103121]


def test_a_folder_that_was_not_prepared_says_what_to_run(tmp_path: Path) -> None:
    """The card is what makes a folder one of prepared logs."""
    with pytest.raises(ValueError, match="run the stage that makes nowhere first"):
        read_card(tmp_path / "nowhere")
    (tmp_path / "log.json").write_text('{"rows": "many"}')
    with pytest.raises(ValueError, match="rows"):
        read_card(tmp_path)


def test_the_sample_is_read_whole(sample_path: Path) -> None:
    """The real log's sample has its known number of rows, hours and clicks."""
    log = read_log(sample_path)
    assert len(log) == 23_299
    assert (log["hour"].iloc[0], log["hour"].iloc[-1]) == (14102100, 14102209)
    assert log["click"].mean() == pytest.approx(0.1709, abs=5e-5)
    assert log["device_id"].nunique() == 4_247


def spoiled(**changes: Any) -> Callable[[Path], object]:
    """Writes a log of two rows, the second with some values changed."""
    return lambda path: fakes.write_log(path, [fakes.fields(click=0), fakes.fields(click=1) | changes])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "not found; make one with `ctr simulate --out "),
        (lambda path: path.write_bytes(b""), "expected the columns id, hour, C1"),
        (lambda path: fakes.write_log(path, []), "no rows"),
        (lambda path: fakes.write_log(path, [fakes.fields()], FIELDS), "click"),
        (lambda path: fakes.write_log(path, [fakes.fields(click=0)], ("click", *FIELDS[:-1])), "C21"),
        (spoiled(C14="many"), "many"),
        (spoiled(C14=""), "expected the columns"),
        (spoiled(C14=2**40), "expected the columns"),
        (spoiled(C14=2**70), "expected the columns"),
        (spoiled(click="yes"), "yes"),
        (spoiled(click=2), "click"),
        (spoiled(click=-1), "click"),
        (spoiled(click=300), "click"),
        (spoiled(hour="today"), "today"),
        (spoiled(hour=14103200), "hour: expected YYMMDDHH of a real date and hour, got [14103200]"),
        (spoiled(hour=0), "hour: expected YYMMDDHH of a real date and hour, got [0]"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00" * 50), ""),
        (lambda path: path.mkdir(), ""),
    ],
)
def test_a_log_that_can_not_be_learnt_from_says_why(tmp_path: Path, write: Callable[[Path], object], said: str) -> None:
    """The error names the file and what is wrong with it."""
    path = tmp_path / "log.csv"
    write(path)
    for read in (read_log, lambda log: prepare.prepare(log, tmp_path / "prepared")):
        with pytest.raises(LogError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert said in str(caught.value)
    assert list(tmp_path.glob("prepared*")) == []


@pytest.mark.parametrize("cut", [10, 40])
def test_a_truncated_gzip_says_so(tmp_path: Path, cut: int) -> None:
    """A download that was cut off is an error that names the file."""
    path = fakes.write_log(tmp_path / "log.csv.gz", LOG)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(LogError, match=r"log\.csv\.gz"):
        read_log(path)


def test_a_gz_that_is_none_says_so(tmp_path: Path) -> None:
    """A plain file that is named .gz is an error that names it."""
    path = tmp_path / "log.csv.gz"
    path.write_text("id,click\n1,0\n")
    with pytest.raises(LogError, match=r"log\.csv\.gz"):
        read_log(path)
