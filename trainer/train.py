"""From a log to a bundle in one call: prepare, build features, fit, evaluate, publish."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

import features
import model
import schemas
import trainer
from model import bundle
from trainer import build_features, evaluate, fit, prepare, publish
from trainer.fit import FitParameters
from trainer.quality import Quality
from trainer.stage import Stage, silent

WEIGHT = 5.0  # impressions that the prior is worth in the lookup tables
TEST_HOURS = 24


class Trained(NamedTuple):
    """What training made."""

    card: bundle.Card
    train_until: int  # YYMMDDHH
    train_impressions: int
    test: Quality | None  # None where the log ends before `train_until`


def train(
    log: Path,
    train_until: int | None,
    out: Path,
    parameters: FitParameters = FitParameters(),  # noqa: B008  # frozen
    stage: Stage = silent,
    *,
    test_hours: int = TEST_HOURS,
    work: Path | None = None,
) -> Trained:
    """Learn from the hours before `train_until`, test on those from it on, write the bundle to `out`.

    Args:
        log: CSV in Avazu's schema, plain or .gz.
        train_until: YYMMDDHH; None for the hour that leaves the log's last `test_hours` hours as the test.
        out: the bundle.
        parameters: of the model.
        stage: shows progress.
        test_hours: used where train_until is None.
        work: folder of what the stages make, kept: a call that was ended goes on after the last complete stage, unless
            log, parameters or code are others. None for a temporary folder beside `out`.

    Raises:
        prepare.LogError: the log can not be read, or none of its hours is before `train_until`.
        ValueError: the hours before `train_until` teach nothing.
    """
    if work is None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            return train(log, train_until, out, parameters, stage, test_hours=test_hours, work=Path(folder))
    prepared, built, fitted, evaluation = (work / name for name in ("prepared", "features", "fit", "evaluation"))
    origin = _identity(log)
    _once(prepared, origin, lambda: prepare.prepare(log, prepared, stage("prepare", _size(log))))
    card = prepare.read_card(prepared)
    until = card.first_test_hour(test_hours) if train_until is None else train_until
    _once(
        built,
        [origin, until, WEIGHT],
        lambda: build_features.build_features(prepared, built, until, WEIGHT, stage("features", card.rows)),
    )
    _once(
        fitted,
        [origin, until, WEIGHT, parameters],
        lambda: fit.fit_features(built, fitted, parameters, stage("trees", parameters.iterations)),
    )
    test_rows = sum(rows for hour, rows in card.hours.items() if hour >= until)
    test = evaluate.evaluate(built, fitted, evaluation, stage("evaluate", test_rows))
    published = publish.publish(built, fitted, evaluation, out)
    return Trained(published, until, fit.read_card(fitted).impressions, test)


def _once(out: Path, made_from: object, make: Callable[[], object]) -> None:
    """Run a stage, unless `out` was made from the same by the same code."""
    key = hashlib.sha256(msgspec.json.encode([_code(), made_from])).hexdigest()
    mark = out.with_name(f"{out.name}.made-from")
    if out.is_dir() and mark.is_file() and mark.read_text() == key:
        return
    make()
    mark.write_text(key)


def _identity(log: Path) -> list[object]:
    """What tells logs apart without reading them; a log that is missing is told by who reads it."""
    return [str(log.resolve()), _size(log), log.stat().st_mtime_ns if log.exists() else None]


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _code() -> str:
    """One hash of the code that the stages run."""
    digest = hashlib.sha256()
    for package in (schemas, features, model, trainer):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
