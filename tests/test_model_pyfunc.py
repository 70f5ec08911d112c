"""A bundle run on raw impressions: the batch path, without any server."""

from pathlib import Path

import fakes
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.keys import keys
from features.windows import State, observe
from model import pyfunc
from model.bundle import Bundle
from schemas import hours
from schemas.errors import DecodeError
from schemas.impression import FIELDS

LOG = fakes.click_log(300, seed=3)
ROWS = [{name: getattr(row, name) for name in FIELDS} for row in LOG]


@pytest.fixture(scope="module")
def expected(bundle_: Bundle) -> list[float]:
    """Each impression's click_proba, built and predicted by hand."""
    state: State = {}
    rows = [bundle_.build(shown, observe(state, keys(shown), hours.index(shown.hour))) for shown in LOG]
    return bundle_.predict(rows)


def test_a_frame_of_impressions_is_scored_in_its_order(bundle_folder: Path, expected: list[float]) -> None:
    """Counts begin empty with each call and grow row by row; labels and other columns are ignored."""
    scorer = pyfunc._load_pyfunc(str(bundle_folder))
    frame = pd.DataFrame(ROWS).assign(click=1, more="x")
    assert scorer.predict(frame) == expected
    assert scorer.predict(frame) == expected
    assert scorer.predict(frame.iloc[:0]) == []


@pytest.mark.parametrize("block", [1, 7, 300])
def test_blocks_do_not_show(
    bundle_: Bundle, expected: list[float], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows are predicted at a time, the probabilities are the same."""
    monkeypatch.setattr(pyfunc, "BLOCK", block)
    assert pyfunc.Scorer(bundle_).score(ROWS) == expected


def test_files_are_scored_as_frames_are(bundle_folder: Path, tmp_path: Path, expected: list[float]) -> None:
    """The command reads and writes Parquet."""
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "in.parquet")
    pyfunc.main(str(bundle_folder), str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"))
    assert pq.read_table(tmp_path / "out.parquet").column("click_proba").to_pylist() == expected


def test_what_is_no_impression_is_refused(bundle_: Bundle) -> None:
    """The error names the field."""
    with pytest.raises(DecodeError, match="hour"):
        pyfunc.Scorer(bundle_).score([ROWS[0] | {"hour": 14109999}])
