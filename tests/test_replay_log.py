"""A click log as messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay import consume
from replay.consume import Read
from replay.log import LogError, Message, messages, values
from schemas.impression import FIELDS, LoggedImpression, decode, encode

LOG = fakes.click_log(300, seed=5)


def as_message(row: LoggedImpression) -> Message:
    """The message that a row is to become."""
    return Message(row.device_ip.encode(), encode(row))


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_every_row_becomes_a_message_in_order(tmp_path: Path, name: str) -> None:
    """Plain or gzipped, each row is its JSON with the click, keyed by device_ip, and decodes to the impression."""
    found = list(messages(fakes.write_log(tmp_path / name, LOG)))
    assert found == [as_message(row) for row in LOG]
    assert [decode(message.value).id for message in found] == [row.id for row in LOG]


def test_a_log_without_clicks_makes_messages_without_clicks(tmp_path: Path) -> None:
    """The click is carried where there is one and not needed."""
    path = fakes.write_log(tmp_path / "log.csv", LOG, FIELDS)
    for row, message in zip(LOG, messages(path), strict=True):
        found = msgspec.json.decode(message.value or b"")
        assert found == {name: getattr(row, name) for name in FIELDS}


def test_columns_may_come_in_any_order_with_others_between(tmp_path: Path) -> None:
    """The header says what is what."""
    rows = [msgspec.structs.asdict(row) | {"more": "x,y"} for row in LOG[:5]]
    path = fakes.write_log(tmp_path / "log.csv", rows, ("more", "click", *reversed(FIELDS)))
    assert list(messages(path)) == [as_message(row) for row in LOG[:5]]


def test_only_the_hours_asked_for_are_replayed(tmp_path: Path) -> None:
    """from_hour is the first, until_hour the first that is left out; late rows in between keep their place."""
    rows = [
        fakes.fields(hour=hour, id=str(n)) for n, hour in enumerate((14102100, 14102101, 14102103, 14102102, 14102104))
    ]
    path = fakes.write_log(tmp_path / "log.csv", rows, FIELDS)
    found = [decode(message.value).hour for message in messages(path, 14102101, 14102104)]
    assert found == [14102101, 14102103, 14102102]


def test_texts_that_look_like_nothing_are_texts(tmp_path: Path) -> None:
    """NA, null, empty and numeric texts come through as they are."""
    rows = [fakes.fields(site_id="NA", app_id="null", device_id="", site_domain="0017", device_model='a"b,c')]
    (message,) = messages(fakes.write_log(tmp_path / "log.csv", rows, FIELDS))
    assert decode(message.value) == fakes.impression(**rows[0])


def test_a_log_is_read_as_it_is_sent(tmp_path: Path) -> None:
    """The first message is there before the last row was read: a log of any size can be replayed."""
    path = fakes.write_log(tmp_path / "log.csv", LOG[:2])
    row = path.read_text().splitlines(keepends=True)[1]
    with path.open("a") as file:
        file.write(row * 20_000 + "not,a,row\n")
    found = messages(path)
    assert next(found) == as_message(LOG[0])
    with pytest.raises(LogError):
        list(found)


def spoiled(**changes: Any) -> Callable[[Path], object]:
    """Writes a log of one row with some values changed."""
    return lambda path: fakes.write_log(path, [fakes.fields(click=0) | changes])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "directory"),
        (lambda path: path.write_bytes(b""), "Empty CSV"),
        (lambda path: fakes.write_log(path, [fakes.fields()], FIELDS[:-1]), "C21"),
        (lambda path: path.write_text("id,hour\n1,2\n"), "C1"),
        (spoiled(C14="many"), "many"),
        (spoiled(C14=""), "int32"),
        (spoiled(C14=2**40), "1099511627776"),
        (spoiled(hour="today"), "today"),
        (spoiled(click="yes"), "yes"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00" * 50), ""),
    ],
)
def test_a_log_that_can_not_be_replayed_says_why(tmp_path: Path, write: Callable[[Path], object], said: str) -> None:
    """The error names the file, what is wrong, and the columns that are expected."""
    path = tmp_path / "log.csv"
    write(path)
    with pytest.raises(LogError) as caught:
        list(messages(path))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "expected a CSV or Parquet log with the columns id, hour, C1" in str(caught.value)


def test_a_truncated_gzip_says_so(tmp_path: Path) -> None:
    """A download that was cut off is an error, not a short log."""
    path = fakes.write_log(tmp_path / "log.csv.gz", LOG)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(LogError, match="Truncated"):
        list(messages(path))


def test_a_parquet_log_gives_the_same_messages(tmp_path: Path) -> None:
    """The columns of a CSV log kept as Parquet, with more of them and wider types, are the same log."""
    csv = fakes.write_log(tmp_path / "log.csv", LOG)
    table = pa.Table.from_pylist([msgspec.structs.asdict(row) | {"more": 1.5} for row in LOG])
    pq.write_table(table, tmp_path / "log.parquet")
    assert list(messages(tmp_path / "log.parquet")) == list(messages(csv))
    assert list(values(tmp_path / "log.parquet", 14102110)) == [one.value for one in messages(csv, 14102110)]
    assert 0 < len(list(values(csv, 14102110))) < len(LOG)


def test_a_saved_topic_gives_its_values(tmp_path: Path) -> None:
    """What `ctr consume` saved is read back as it was in the topic, broken messages too."""
    read = [Read(0, offset, 1, 2, b"k", value, ()) for offset, value in enumerate([b"{}", None, b"\xff"])]
    consume.save(tmp_path / "topic.parquet", read)
    assert list(values(tmp_path / "topic.parquet")) == [b"{}", None, b"\xff"]
