"""From a log to a bundle."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from model import bundle
from trainer.fit import FitParameters
from trainer.prepare import LogError
from trainer.train import WEIGHT, train

pytestmark = pytest.mark.slow

SMALL = FitParameters(iterations=5, depth=3)
LOG = fakes.click_log(600, hours_spanned=30, seed=4)


@pytest.fixture(scope="module")
def log_of_30_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log from 14102100 to 14102205."""
    return fakes.write_log(tmp_path_factory.mktemp("log") / "log.csv", LOG)


def test_the_log_is_split_by_time(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Hours before train_until are learnt from, save the first; the test is the rest."""
    trained = train(log_of_30_hours, 14102200, tmp_path, SMALL)
    assert trained.train_impressions == sum(14102100 < row.hour < 14102200 for row in LOG)
    assert trained.test is not None
    assert trained.test.impressions == sum(row.hour >= 14102200 for row in LOG)
    assert trained.test.clicks == sum(row.click for row in LOG if row.hour >= 14102200)
    card = bundle.load(tmp_path).card
    assert card == trained.card
    assert (card.trained_from, card.trained_through, card.weight) == (14102100, 14102123, WEIGHT)
    assert card.impressions == sum(row.hour < 14102200 for row in LOG)
    assert card.metrics["logloss"] == trained.test.logloss


def test_the_clicks_of_the_test_change_nothing_but_the_metrics(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Model and tables are byte for byte those of a log whose last hours were clicked otherwise."""
    from msgspec.structs import replace

    other = [replace(row, click=1 - row.click) if row.hour >= 14102200 else row for row in LOG]
    train(log_of_30_hours, 14102200, tmp_path / "one", SMALL)
    train(fakes.write_log(tmp_path / "other.csv", other), 14102200, tmp_path / "other", SMALL)
    one, changed = bundle.verify(tmp_path / "one"), bundle.verify(tmp_path / "other")
    assert one.files == changed.files
    assert one.prior == changed.prior
    assert one.metrics != changed.metrics


def test_a_log_without_a_test_gives_a_bundle_without_metrics(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Where the log ends before train_until, all of it is learnt from and nothing is claimed."""
    trained = train(log_of_30_hours, 15010100, tmp_path, SMALL)
    assert trained.test is None
    assert bundle.load(tmp_path).card.metrics == {}
    assert trained.card.impressions == len(LOG)


def test_figures_that_json_can_not_hold_are_left_out(tmp_path: Path) -> None:
    """A test without clicks has no AUC; the card is still JSON and loads."""
    from msgspec.structs import replace

    log = [replace(row, click=0) if row.hour >= 14102200 else row for row in LOG]
    trained = train(fakes.write_log(tmp_path / "log.csv", log), 14102200, tmp_path / "bundle", SMALL)
    assert trained.test is not None
    assert np.isnan(trained.test.auc)
    card = json.loads((tmp_path / "bundle" / bundle.CARD).read_bytes(), parse_constant=pytest.fail)
    assert set(card["metrics"]) == {"impressions", "clicks", "logloss", "expected_calibration_error"}
    assert bundle.load(tmp_path / "bundle").card == trained.card


@pytest.mark.parametrize("train_until", [0, 14102023, 14102100, 14102101])
def test_too_few_hours_to_learn_from_is_refused(log_of_30_hours: Path, tmp_path: Path, train_until: int) -> None:
    """Nothing, or only the first hour, before train_until: the error says when the log begins and what to do."""
    with pytest.raises(LogError, match="its hours begin at 14102100; --train-until must be at least two hours later"):
        train(log_of_30_hours, train_until, tmp_path / "bundle", SMALL)
    assert not (tmp_path / "bundle").exists()


def test_two_hours_are_enough(log_of_30_hours: Path, tmp_path: Path) -> None:
    """The earliest possible train_until trains."""
    assert train(log_of_30_hours, 14102102, tmp_path, SMALL).train_impressions > 0


def test_a_log_without_clicks_is_refused(tmp_path: Path) -> None:
    """Rows of one kind can not be learnt from, and the error says so."""
    from msgspec.structs import replace

    log = fakes.write_log(tmp_path / "log.csv", [replace(row, click=0) for row in LOG])
    with pytest.raises(ValueError, match="train on more hours"):
        train(log, 14102200, tmp_path / "bundle", SMALL)


def test_stages_tell_their_progress_to_the_end(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Each stage announces a total and reports all of it."""
    told: dict[str, list[int]] = {}

    def stage(name: str, total: int, /) -> Callable[[int], None]:
        told[name] = [total, 0]

        def advance(steps: int) -> None:
            told[name][1] += steps

        return advance

    train(log_of_30_hours, 14102200, tmp_path, SMALL, stage)
    size, test = log_of_30_hours.stat().st_size, sum(row.hour >= 14102200 for row in LOG)
    assert told == {"prepare": [size, size], "features": [600, 600], "trees": [5, 5], "evaluate": [test, test]}


def test_the_test_may_be_so_many_hours_at_the_end(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Without train_until, the log's last hours are the test."""
    trained = train(log_of_30_hours, None, tmp_path / "bundle", SMALL, test_hours=6)
    assert trained.train_until == 14102200
    assert bundle.verify(tmp_path / "bundle") == train(log_of_30_hours, 14102200, tmp_path / "other", SMALL).card


def test_a_training_that_was_ended_goes_on(log_of_30_hours: Path, tmp_path: Path) -> None:
    """What is complete in the work folder and was made from the same is not made again; other parameters refit only."""
    work, made = tmp_path / "work", list[str]()

    def stage(name: str, total: int, /) -> Callable[[int], None]:
        made.append(name)
        return lambda steps: None

    first = train(log_of_30_hours, 14102200, tmp_path / "one", SMALL, stage, work=work)
    assert made == ["prepare", "features", "trees", "evaluate"]
    made.clear()
    again = train(log_of_30_hours, 14102200, tmp_path / "other", SMALL, stage, work=work)
    assert made == ["evaluate"]
    assert again == first
    made.clear()
    train(log_of_30_hours, 14102200, tmp_path / "other", FitParameters(iterations=4, depth=3), stage, work=work)
    assert made == ["trees", "evaluate"]
    made.clear()
    train(log_of_30_hours, 14102123, tmp_path / "other", SMALL, stage, work=work)
    assert made == ["features", "trees", "evaluate"]
    made.clear()
    other_log = fakes.write_log(tmp_path / "other.csv", LOG[:500])
    train(other_log, 14102123, tmp_path / "other", SMALL, stage, work=work)
    assert made == ["prepare", "features", "trees", "evaluate"]


def test_nothing_is_left_beside_the_bundle(log_of_30_hours: Path, tmp_path: Path) -> None:
    """Without a work folder, what the stages made goes away, after errors too."""
    train(log_of_30_hours, 14102200, tmp_path / "bundle", SMALL)
    with pytest.raises(LogError):
        train(log_of_30_hours, 14102100, tmp_path / "other", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_sample_is_learnt_from(sample_path: Path, tmp_path: Path) -> None:
    """On the real log's sample a small model is clearly better than knowing only the CTR."""
    trained = train(sample_path, 14102200, tmp_path, FitParameters(iterations=60))
    assert trained.test is not None
    assert trained.test.normalized_entropy < 0.97
    assert trained.test.auc > 0.68
    assert 0.8 < trained.test.calibration_ratio < 1.25


def test_a_processor_with_another_exp_gives_the_same_bundle(tmp_path: Path) -> None:
    """Bit for bit, and the evaluation too: glibc and numpy are told that newer instructions are not there.

    That changes the last bits of exp() on x86 with FMA; on other machines the two trainings are the same anyway.
    """
    log = fakes.write_log(tmp_path / "log.csv", fakes.click_log(6000, hours_spanned=30, seed=4))
    old = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    for name, more in (("new", {}), ("old", old)):
        told = ("--data", log, "--out", tmp_path / name, "--work", tmp_path / f"{name}-work")
        command = [sys.executable, "-m", "cli", "train", *map(str, told), "--tracking-uri", "none"]
        subprocess.run(command, env=os.environ | more, check=True, capture_output=True)
    new, old_ = (bundle.load(tmp_path / name) for name in ("new", "old"))
    assert new.version == old_.version
    for table in ("predictions.npy", "quality.json", "calibration.csv", "days.csv", "slices.csv"):
        made = [(tmp_path / f"{name}-work" / "evaluation" / table).read_bytes() for name in ("new", "old")]
        assert made[0] == made[1], table
