"""A click log as messages: one JSON impression a row, keyed by device_ip."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from replay import consume
from schemas import impression
from schemas.impression import CODE_FIELDS, FIELDS, STRING_FIELDS, LoggedImpression


class Message(NamedTuple):
    """What is produced to the impressions topic."""

    key: bytes | None
    value: bytes | None


class LogError(ValueError):
    """A log that can not be replayed: says what is wrong."""


_COLUMNS = {
    **dict.fromkeys(STRING_FIELDS, pa.string()),
    **dict.fromkeys((*CODE_FIELDS, "hour", "click"), pa.int32()),
}


def messages(path: Path, from_hour: int = 0, until_hour: int = 99123124) -> Iterator[Message]:
    """The rows of the log (CSV, CSV.gz or Parquet) with from_hour <= hour < until_hour, in the order of its file.

    Raises:
        LogError: the file or a column is missing, or a value is not of its column's type.
    """
    try:
        for batch in _batches(path):
            columns = [batch.column(name).to_pylist() for name in FIELDS]
            clicks = batch.column("click").to_pylist() if "click" in batch.schema.names else None
            for position, values in enumerate(zip(*columns, strict=True)):
                if from_hour <= values[_HOUR] < until_hour:
                    click = clicks[position] if clicks else None
                    yield Message(values[_DEVICE_IP].encode(), _payload(values, click))
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise LogError(f"{path}: {error}; expected a CSV or Parquet log with the columns {', '.join(FIELDS)}") from None


_HOUR, _DEVICE_IP = FIELDS.index("hour"), FIELDS.index("device_ip")


def values(path: Path, from_hour: int = 0) -> Iterator[bytes | None]:
    """The messages' values of a log as `messages` reads it, or of a topic saved by `replay.consume`.

    Raises:
        LogError: as `messages`.
    """
    if path.suffix == ".parquet" and path.exists() and consume.is_saved(path):
        yield from (record.value for record in consume.saved(path))
    else:
        yield from (message.value for message in messages(path, from_hour))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in _COLUMNS]
            for batch in file.iter_batches(columns=wanted):
                yield batch.cast(pa.schema([(name, _COLUMNS[name]) for name in wanted]))
        return
    options = pa.csv.ConvertOptions(column_types=_COLUMNS, strings_can_be_null=False, null_values=[])
    with pa.csv.open_csv(path, convert_options=options) as reader:
        yield from reader


def _payload(values: tuple[object, ...], click: int | None) -> bytes:
    if click is None:
        return impression.encode(impression.Impression(*values))  # type: ignore[arg-type]  # typed by the columns
    return impression.encode(LoggedImpression(*values, click=click))  # type: ignore[arg-type]
