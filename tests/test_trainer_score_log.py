"""Logs scored on the batch path: as the stream scores them."""

from pathlib import Path

import fakes
import numpy as np
import pyarrow.csv as pa_csv
import pytest
from test_cli_app import Run, run  # noqa: F401  # its fixture

from features.keys import keys
from features.windows import State, observe
from model.bundle import Bundle
from schemas import hours
from schemas.impression import FIELDS
from trainer import prepare
from trainer.score_log import score_log

pytestmark = pytest.mark.slow

LOG = fakes.click_log(300, seed=5)


def expected(bundle_: Bundle, earlier: int) -> list[float]:
    """Each impression's click_proba, one at a time; the first ones are only counted."""
    state: State = {}
    scores = []
    for shown in LOG:
        counts = observe(state, keys(shown), hours.index(shown.hour))
        scores += bundle_.predict([bundle_.build(shown, counts)])
    return scores[earlier:]


@pytest.mark.parametrize("columns", [(), FIELDS], ids=["labelled", "unlabelled"])
def test_a_log_is_scored_in_time_order_with_its_counts(
    bundle_: Bundle, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    """To the bit what single impressions get, clicks or no clicks; rows of one hour keep their order."""
    hours_late_first = sorted(LOG, key=lambda row: -row.hour)
    path = fakes.write_log(tmp_path / "log.csv.gz", hours_late_first, columns)
    found = list(score_log(bundle_, prepare.read_impressions(path)))
    assert [one for hour in found for one in hour.click_probas.tolist()] == expected(bundle_, 0)
    assert [one for hour in found for one in hour.impressions.column("id").to_pylist()] == [row.id for row in LOG]


def test_an_earlier_log_is_counted_and_not_scored(bundle_: Bundle, tmp_path: Path) -> None:
    """Counts go on where the earlier log ended."""
    first = prepare.read_impressions(fakes.write_log(tmp_path / "first.csv", LOG[:200]))
    second = prepare.read_impressions(fakes.write_log(tmp_path / "second.csv", LOG[200:]))
    warm = np.concatenate([hour.click_probas for hour in score_log(bundle_, second, first)])
    cold = np.concatenate([hour.click_probas for hour in score_log(bundle_, second)])
    assert warm.tolist() == expected(bundle_, 200)
    assert warm.tolist() != cold.tolist()


def test_the_commands_write_scores_and_a_report(run: Run, bundle_folder: Path, tmp_path: Path) -> None:  # noqa: F811
    """score-file: id and click_proba; evaluate: one HTML file that needs nothing beside it."""
    log = str(fakes.write_log(tmp_path / "log.csv", LOG))
    scores, report = tmp_path / "scores.csv", tmp_path / "report.html"
    assert run("score-file", str(bundle_folder), log, "--out", str(scores)).code == 0
    found = pa_csv.read_csv(scores)
    assert found.column_names == ["id", "click_proba"]
    assert len(found) == 300
    assert run("evaluate", str(bundle_folder), log, "--out", str(report)).code == 0
    text = report.read_text()
    missing = [one for one in ("data:image/png", "warm: seen", "banner_pos 1", "hour 3", "141022") if one not in text]
    assert missing == []
    assert "http" not in text
    late = run("evaluate", str(bundle_folder), log, "--from-hour", "14103000", "--out", str(report))
    assert "no rows from hour 14103000 on" in f"{late}"
