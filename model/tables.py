"""The lookup tables' totals as Parquet: the table's fields, clicks, impressions, log_odds; one file a table."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features import definition
from features.ctr import Totals, Value

Tables = Mapping[str, Mapping[Value, Totals]]  # table name -> value -> totals


def write_tables(folder: Path, tables: Tables) -> None:
    """Write `<table>.parquet` for each table; equal tables are equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, totals in tables.items():
        pq.write_table(_to_arrow(table, totals), folder / f"{table}.parquet", compression="zstd")


def read_tables(folder: Path) -> dict[str, dict[Value, Totals]]:
    """The totals of all tables of the definition."""
    return {table: _from_arrow(table, pq.read_table(folder / f"{table}.parquet")) for table in definition.TABLES}


def _to_arrow(table: str, totals: Mapping[Value, Totals]) -> pa.Table:
    """One row a value, in the values' order."""
    fields = definition.TABLES[table]
    rows = sorted((value if isinstance(value, tuple) else (value,), known) for value, known in totals.items())
    columns: dict[str, list[object]] = {
        name: [value[position] for value, _ in rows] for position, name in enumerate(fields)
    }
    columns["clicks"] = [known.clicks for _, known in rows]
    columns["impressions"] = [known.impressions for _, known in rows]
    columns["log_odds"] = [known.log_odds for _, known in rows]
    return pa.table(columns)


def _from_arrow(table: str, rows: pa.Table) -> dict[Value, Totals]:
    columns = [rows.column(name).to_pylist() for name in definition.TABLES[table]]
    values = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    learnt = zip(*(rows.column(name).to_pylist() for name in Totals._fields), strict=True)
    return {value: Totals(*found) for value, found in zip(values, learnt, strict=True)}
