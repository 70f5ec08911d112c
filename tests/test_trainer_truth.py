"""The truth of a simulated log, and what an evaluation says of it."""

import json
from pathlib import Path

import fakes
import numpy as np
import pyarrow as pa
import pytest
from test_cli_app import Run, run  # noqa: F401  # its fixture

from trainer.quality import row_losses
from trainer.truth import read_truth

LOG = fakes.click_log(300, seed=5)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A truth of LOG, its rows turned round; ids keep their leading zeros."""
    path = tmp_path / "truth.csv"
    lines = [f"{row.id},{0.1 + number / 1000:.6f}" for number, row in enumerate(LOG)]
    path.write_text("\n".join(["id,true_proba", *reversed(lines)]) + "\n")
    return path


def test_truths_are_found_by_id(truth: Path) -> None:
    """In the order of the ids that are asked for, whatever the file's; from a list or a column."""
    ids = [LOG[7].id, LOG[2].id]
    assert read_truth(truth, ids).tolist() == [0.107, 0.102]
    assert read_truth(truth, pa.chunked_array([pa.array(ids)])).tolist() == [0.107, 0.102]


def test_a_truth_of_another_log_is_refused(truth: Path, tmp_path: Path) -> None:
    """The message says which id is missing, or that the file is none of a truth."""
    with pytest.raises(ValueError, match="no row of the id stranger"):
        read_truth(truth, [LOG[0].id, "stranger"])
    with pytest.raises(ValueError, match="true_proba"):
        read_truth(fakes.write_log(tmp_path / "log.csv", LOG), [LOG[0].id])
    with pytest.raises(ValueError, match="ctr simulate --truth"):
        read_truth(tmp_path / "nowhere.csv", [LOG[0].id])


@pytest.mark.slow
def test_an_evaluation_says_the_excess_over_the_truth(
    run: Run,  # noqa: F811
    bundle_folder: Path,
    truth: Path,
    tmp_path: Path,
) -> None:
    """As a share of the truth's own logloss on the same impressions; in the report for every part."""
    log, report = str(fakes.write_log(tmp_path / "log.csv", LOG)), tmp_path / "report.html"
    ended = run("evaluate", str(bundle_folder), log, "--out", str(report), "--truth", str(truth), "--json")
    assert ended.code == 0, f"{ended}"
    found = json.loads(ended.out)
    judged = found["impressions"]
    clicks = np.array([row.click for row in LOG[-judged:]], dtype=np.int8)
    least = row_losses(clicks, read_truth(truth, [row.id for row in LOG[-judged:]])).mean()
    assert found["logloss_of_truth"] == pytest.approx(least)
    assert found["excess"] == pytest.approx(found["logloss"] / least - 1)
    assert f"{100 * found['excess']:.2f} %" in report.read_text()
