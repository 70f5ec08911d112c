"""Tracking and registry, with MLflow's own SQLite store: what is logged, what is promoted, what may be missing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakes
import pandas as pd
import pytest

from model import bundle, pyfunc
from schemas.impression import FIELDS
from trainer import registry, tracking
from trainer.fit import FitParameters
from trainer.train import train

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # MLflow's own: deprecations of what it is built on
]

LOG = fakes.click_log(3000, hours_spanned=96, seed=5)
GOOD, POOR = FitParameters(iterations=60, depth=4), FitParameters(iterations=1, depth=1)


def made(folder: Path, name: str, parameters: FitParameters, until: int = 14102300) -> tuple[Path, Path]:
    """The work folder and the bundle of a training on the log but for its last days."""
    log = fakes.write_log(folder / "log.csv", LOG)
    train(log, until, folder / f"bundle-{name}", parameters, work=folder / name)
    return folder / name, folder / f"bundle-{name}"


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A store of our own."""
    return f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}"


def test_a_training_is_logged_registered_judged_and_served(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The life of a model: logged, candidate, champion; a poor one stays candidate; what is served is the bundle."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text("stages: {}\n")
    work, good = made(tmp_path, "good", GOOD)
    first = tracking.track(uri, work, good)
    assert tracking.track(uri, work, good) == first  # once a bundle
    mlflow = tracking.mlflow_at(uri)
    _is_logged(mlflow, first, work)

    assert registry.promote(uri, tmp_path / "log.csv").reason == "there was no champion"
    assert registry.promote(uri, tmp_path / "log.csv").reason == "the candidate is the champion already"
    second = tracking.track(uri, *made(tmp_path, "poor", POOR))
    verdict = registry.promote(uri, tmp_path / "log.csv")
    assert (verdict.candidate, verdict.champion, verdict.promoted) == (second.model_version, first.model_version, False)
    assert verdict.impressions == sum(row.hour >= 14102400 for row in LOG)
    assert verdict.champion_logloss == pytest.approx(_logloss(good), abs=1e-12)
    assert verdict.difference_high is not None
    assert verdict.difference_high > registry.MARGIN

    frame = pd.DataFrame([{name: getattr(row, name) for name in FIELDS} for row in LOG[:500]])
    champion = mlflow.pyfunc.load_model("models:/ctr@champion")
    assert list(champion.predict(frame)) == pyfunc._load_pyfunc(str(good)).predict(frame)
    assert [path for path in tmp_path.rglob("*") if "pickle" in path.name or path.suffix == ".pkl"] == []


def test_a_model_that_knows_the_newest_day_is_not_judged_on_it(tmp_path: Path, uri: str) -> None:
    """Learnt hours are no test; the error says up to when the model has learnt."""
    tracking.track(uri, *made(tmp_path, "late", POOR, until=14102412))
    with pytest.raises(ValueError, match="has learnt from hours up to 14102411"):
        registry.promote(uri, tmp_path / "log.csv")


def test_without_a_candidate_nothing_is_promoted(tmp_path: Path, uri: str) -> None:
    """An empty registry says what to run."""
    with pytest.raises(ValueError, match="no candidate; `ctr train` registers one"):
        registry.promote(uri, fakes.write_log(tmp_path / "log.csv", LOG))


@pytest.mark.parametrize("trouble", ["absent", "down", "broken"])
def test_training_does_not_fail_because_tracking_did(tmp_path: Path, trouble: str) -> None:
    """Without MLflow, without its server, with a store that is none: the bundle is made, and a line says why."""
    fakes.write_log(tmp_path / "log.csv", LOG[:600])
    (tmp_path / "text.db").write_text("no database at all" * 100)
    uri = {"down": "http://127.0.0.1:9", "broken": "sqlite:///text.db"}.get(trouble, "sqlite:///mlflow.db")
    absent = "import sys; sys.modules['mlflow'] = None\n" if trouble == "absent" else ""
    arguments = ["ctr", "train", "--data", "log.csv", "--test-hours", "4", "--out", "bundle", "--iterations", "2"]
    script = f"{absent}import sys; sys.argv = {[*arguments, '--tracking-uri', uri, '--json']}\n"
    script += "from cli.app import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    assert f"ctr: not tracked at {uri}: " in ended.stderr
    assert json.loads(ended.stdout)["train_impressions"] == bundle_rows(tmp_path / "bundle")


def bundle_rows(folder: Path) -> int:
    """The rows that a bundle's model was fitted on: all but the first hour's."""
    card = bundle.verify(folder)
    return sum(card.trained_from < row.hour <= card.trained_through for row in LOG[:600])


def _is_logged(mlflow: Any, tracked: tracking.Tracked, work: Path) -> None:
    """Parameters, metrics, tags and files are those of the training, and the alias points at it."""
    client = mlflow.MlflowClient()
    run = client.get_run(tracked.run_id)
    assert run.data.params["fit.iterations"] == "60"
    assert run.data.params["log_sha256"] == json.loads((work / "prepared/log.json").read_text())["sha256"]
    assert run.data.params["train_until"] == "14102300"
    assert run.data.metrics == json.loads((work / "evaluation/quality.json").read_text())
    files = {f"{folder}/{Path(one.path).name}" for folder in ("configuration", "evaluation")
             for one in client.list_artifacts(tracked.run_id, folder)}  # fmt: skip
    assert {"configuration/dvc.lock", "configuration/fit.json", "evaluation/roc.csv"} <= files
    assert "evaluation/calibration.png" in files
    assert str(client.get_model_version_by_alias("ctr", "candidate").version) == tracked.model_version
    model = mlflow.models.get_model_info("models:/ctr@candidate")
    assert model.signature.inputs.input_names() == list(FIELDS)
    assert model.saved_input_example_info is not None


def _logloss(folder: Path) -> float:
    """The bundle's logloss on the log's newest day, computed here."""
    import numpy as np

    day = [row for row in LOG if row.hour > 14102300]  # the day, and 23 hours for its counts
    scores = pyfunc.Scorer(bundle.load(folder)).score([{name: getattr(row, name) for name in FIELDS} for row in day])
    losses = [
        -np.log(score if row.click else 1 - score)
        for row, score in zip(day, scores, strict=True)
        if row.hour >= 14102400
    ]
    return float(np.mean(losses))
