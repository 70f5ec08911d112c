"""`ctr verify` over saved topics: code 0 when all is well, 1 and the differences when not."""

import json
from pathlib import Path

import fakes
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import make_app
from model.bundle import Bundle
from replay import consume
from schemas.impression import encode


@pytest.fixture
def folder(tmp_path: Path, bundle_: Bundle) -> Path:
    """A right run's three topics, saved as `ctr consume --out` saves them."""
    rows: list[bytes | None] = [encode(row) for row in fakes.click_log(40, seed=8)]
    topics = fakes.streamed(bundle_, [[*rows, b"broken", None]])
    for name, records in zip(("impressions", "scores", "dead_letters"), topics, strict=True):
        consume.save(tmp_path / f"{name}.parquet", records)
    return tmp_path


def verify(folder: Path, bundle_folder: Path, *more: str) -> Result:
    """Run the command over the folder's files."""
    topics = [
        f"--{name.replace('_', '-')}={folder / name}.parquet" for name in ("impressions", "scores", "dead_letters")
    ]
    return CliRunner().invoke(make_app(), ["verify", "--bundle", str(bundle_folder), *topics, *more])


def test_a_right_run_ends_with_0(folder: Path, bundle_folder: Path) -> None:
    """The report is printed, as a table or as JSON."""
    ended = verify(folder, bundle_folder, "--json")
    assert ended.exit_code == 0, ended.output
    report = json.loads(ended.stdout)
    assert (report["scores"], report["dead_letters"], report["parity_compared"]) == (40, 2, 40)
    assert (report["lost"], report["parity_mismatches"], report["differences"]) == (0, 0, [])
    assert "Verified" in verify(folder, bundle_folder).stdout


def test_a_wrong_score_ends_with_1_and_is_shown(folder: Path, bundle_folder: Path) -> None:
    """One changed digit is a difference, shown with place, field and both values."""
    scores = consume.saved(folder / "scores.parquet")
    value = (scores[7].value or b"").replace(b'"model_version":"', b'"model_version":"x')
    consume.save(folder / "scores.parquet", [*scores[:7], scores[7]._replace(value=value), *scores[8:]])
    ended = verify(folder, bundle_folder, "--json")
    assert ended.exit_code == 1
    (difference,) = json.loads(ended.stdout)["differences"]
    assert (difference["partition"], difference["offset"], difference["field"]) == (0, 7, "model_version")
    assert difference["scored"] == "x" + difference["expected"]
    table = verify(folder, bundle_folder)
    assert table.exit_code == 1
    assert "DIFFERENCES" in table.stdout
    assert "0/7 model_version" in table.stdout


def test_a_lost_score_ends_with_1(folder: Path, bundle_folder: Path) -> None:
    """A message without an answer is a fault even where all answers are right."""
    consume.save(folder / "scores.parquet", consume.saved(folder / "scores.parquet")[:-1])
    ended = verify(folder, bundle_folder, "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["lost"] == 1
