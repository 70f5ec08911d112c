"""Read an Avazu click log into typed columns in time order, in memory or as a folder of one chunk an event hour.

    prepared/
      14102100-0000.parquet   the rows of an hour, in the order of the log; later numbers are later parts of it
      log.json                what was read: rows an hour, clicks, SHA-256 of the log's file

The folder takes any order of rows and any size of log: memory is bounded by PENDING_ROWS and, when it is read, by the
busiest hour.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from schemas import hours
from schemas.impression import CODE_FIELDS, FIELDS, STRING_FIELDS, Impression
from trainer.stage import Advance, folder_of, quiet, read_json, write_json

PENDING_ROWS = 500_000  # about 250 MB, sorted and written at a time
BLOCK_BYTES = 8 << 20
CARD = "log.json"
COLUMNS = (*FIELDS, "click")
_TYPES = (
    dict.fromkeys(STRING_FIELDS, pa.string()) | dict.fromkeys((*CODE_FIELDS, "hour"), pa.int32()) | {"click": pa.int8()}
)


class LogError(ValueError):
    """A log that can not be learnt from: says what is wrong and where."""


class Prepared(msgspec.Struct, frozen=True):
    """What log.json says of a prepared log."""

    rows: int
    clicks: int
    hours: dict[int, int]  # YYMMDDHH -> rows, ascending
    sha256: str  # of the log's file, packed as it was

    def first(self) -> int:
        """The first event hour, YYMMDDHH."""
        return next(iter(self.hours))

    def first_test_hour(self, test_hours: int) -> int:
        """The YYMMDDHH from which on there are `test_hours` hours until the log's end."""
        return hours.from_index(hours.index(next(reversed(self.hours))) - test_hours + 1)


class Chunk(NamedTuple):
    """The rows of one event hour."""

    hour: int  # YYMMDDHH
    columns: pa.Table  # COLUMNS

    def clicks(self) -> npt.NDArray[np.int8]:
        """0 or 1 a row."""
        found: npt.NDArray[np.int8] = self.columns.column("click").to_numpy()
        return found


def prepare(log: Path, out: Path, progress: Advance = quiet) -> Prepared:
    """Read the labelled log (CSV, plain or .gz) into the folder `out`; rows of one hour keep the order of the file.

    Args:
        log: the log.
        out: appears when it is complete.
        progress: told of the bytes read.

    Raises:
        LogError: a column is missing, a value is not of its column's type, an hour does not exist, a click is not
            0 or 1, or there are no rows.
    """
    rows, clicks, digest = dict[int, int](), 0, hashlib.sha256()
    with folder_of(out) as part:
        for number, table in enumerate(_pieces(_batches(log, digest, progress))):
            clicks += int(pc.sum(table.column("click")).as_py())
            for hour, chunk in by_hour(table):
                rows[hour] = rows.get(hour, 0) + len(chunk)
                pq.write_table(chunk, part / f"{hour:08}-{number:04}.parquet", compression="zstd")
        if not rows:
            raise LogError(f"{log}: no rows")
        prepared = Prepared(sum(rows.values()), clicks, dict(sorted(rows.items())), digest.hexdigest())
        write_json(part / CARD, prepared)
    return prepared


def read_card(folder: Path) -> Prepared:
    """What was prepared.

    Raises:
        ValueError: the folder is none of `prepare`.
    """
    return read_json(folder / CARD, Prepared)


def chunks(folder: Path, from_hour: int = 0) -> Iterator[Chunk]:
    """The hours of a prepared log from `from_hour` (YYMMDDHH) on, ascending; those without rows are left out."""
    for hour, parts in groupby(sorted(folder.glob("*.parquet")), lambda path: int(path.name[:8])):
        if hour >= from_hour:
            yield Chunk(hour, pa.concat_tables([pq.read_table(path) for path in parts]))


def impressions(chunk: pa.Table) -> Iterator[Impression]:
    """The impressions of the rows, in their order. Equal values of a column are one object, whose hash is known."""
    return map(Impression, *[_objects(chunk.column(name)) for name in FIELDS])


def read_log(path: Path) -> pd.DataFrame:
    """The whole log in memory, in time order: for logs of a few million rows.

    Raises:
        LogError: as `prepare`.
    """
    batches = list(_batches(path, hashlib.sha256(), quiet))
    if not sum(map(len, batches)):
        raise LogError(f"{path}: no rows")
    log: pd.DataFrame = _in_time_order(pa.Table.from_batches(batches)).to_pandas()
    return log


def read_impressions(path: Path, progress: Advance = quiet) -> pa.Table:
    """The impressions of a log, clicks or not, all in memory, in time order; rows of one hour keep the file's order.

    Raises:
        LogError: as `prepare`, but a log without the column click, or without rows, is none.
    """
    schema = pa.schema([(name, _TYPES[name]) for name in FIELDS])
    return _in_time_order(pa.Table.from_batches(_batches(path, hashlib.sha256(), progress, FIELDS), schema))


def by_hour(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Each event hour of a table in time order, with its rows."""
    found = table.column("hour").to_numpy()
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(found)], strict=True):
        yield int(found[start]), table.slice(start, stop - start)


class _Source(io.RawIOBase):
    """The file as it is read: hashed, and told of."""

    def __init__(self, file: io.BufferedReader, digest: "hashlib._Hash", progress: Callable[[int], None]) -> None:
        self._file, self._digest, self._progress = file, digest, progress

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._digest.update(content)
        self._progress(len(content))
        return content

    def readable(self) -> bool:
        return True


def _batches(
    log: Path, digest: "hashlib._Hash", progress: Advance, columns: tuple[str, ...] = COLUMNS
) -> Iterator[pa.RecordBatch]:
    """The rows, block by block, checked."""
    options = pa_csv.ConvertOptions(
        column_types=_TYPES, include_columns=columns, strings_can_be_null=False, null_values=[]
    )
    try:
        with log.open("rb") as file:
            source = _Source(file, digest, progress)
            stream = pa.PythonFile(source, mode="r")
            if log.suffix == ".gz":
                stream = pa.CompressedInputStream(stream, "gzip")
            block = pa_csv.ReadOptions(block_size=BLOCK_BYTES)
            for batch in pa_csv.open_csv(stream, read_options=block, convert_options=options):
                _check(log, batch)
                yield batch
            source.read()  # what a reader left belongs to the hash
    except FileNotFoundError:
        raise LogError(f"{log}: not found; make one with `ctr simulate --out {log}`") from None
    except (OSError, EOFError, KeyError, pa.ArrowInvalid) as error:
        raise LogError(f"{log}: {error}; expected the columns {', '.join(columns)}") from None


def _check(log: Path, batch: pa.RecordBatch) -> None:
    wrong = [hour for hour in pc.unique(batch.column("hour")).to_pylist() if not hours.is_hour(hour)]
    if wrong:
        raise LogError(f"{log}: hour: expected YYMMDDHH of a real date and hour, got {wrong[:5]}")
    if "click" not in batch.schema.names:
        return
    wrong = sorted(set(pc.unique(batch.column("click")).to_pylist()) - {0, 1})
    if wrong:
        raise LogError(f"{log}: click: expected 0 or 1, got {wrong[:5]}")


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of at least PENDING_ROWS rows, but for the last, each in time order."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(map(len, pending)) >= PENDING_ROWS:
            yield _in_time_order(pa.Table.from_batches(pending))
            pending = []
    if sum(map(len, pending)):
        yield _in_time_order(pa.Table.from_batches(pending))


def _in_time_order(table: pa.Table) -> pa.Table:
    """Sorted by hour; rows of one hour keep their order."""
    found = table.column("hour").to_numpy()
    return table if (np.diff(found) >= 0).all() else table.take(np.argsort(found, kind="stable"))


def _objects(column: pa.ChunkedArray) -> Iterator[object]:
    encoded = column.combine_chunks().dictionary_encode()
    return map(encoded.dictionary.to_pylist().__getitem__, encoded.indices.to_numpy().tolist())
