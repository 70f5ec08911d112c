"""Records kept in a file: as they were, to the last byte."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.consume import ConsumeError, Read, save, saved

LONG = st.integers(-(2**63), 2**63 - 1)
READS = st.builds(
    Read,
    st.integers(0, 2**31 - 1),
    LONG,
    LONG,
    LONG,
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.binary(max_size=5)), max_size=3
    ).map(tuple),
)


@given(found=st.lists(READS, max_size=5))
@settings(max_examples=40)
def test_records_come_back_as_they_were_saved(tmp_path_factory: pytest.TempPathFactory, found: list[Read]) -> None:
    """saved(save(x)) is x: null and empty keys and values apart, repeated header names, any bytes, the order."""
    path = tmp_path_factory.getbasetemp() / "records.parquet"
    save(path, found)
    assert saved(path) == found


def test_null_and_empty_are_not_the_same(tmp_path: Path) -> None:
    """A tombstone stays one, and an empty message stays empty."""
    found = [Read(0, 1, 2, 3, None, None, ()), Read(0, 2, 2, 3, b"", b"", (("reason", b""), ("reason", b"x")))]
    save(tmp_path / "records.parquet", found)
    assert saved(tmp_path / "records.parquet") == found


def test_a_file_that_save_did_not_write_is_refused(tmp_path: Path) -> None:
    """A missing file, a text and a Parquet file of something else are refused with their names."""
    text, other = tmp_path / "a.parquet", tmp_path / "b.parquet"
    text.write_text("no parquet")
    pq.write_table(pa.table({"partition": ["x"]}), other)
    for path in (tmp_path / "missing.parquet", text, other):
        with pytest.raises(ConsumeError, match="expected a file written by `ctr consume --out`") as caught:
            saved(path)
        assert str(path) in str(caught.value)
