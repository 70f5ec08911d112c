"""The registered model's aliases: `candidate` is what was trained last, `champion` what is served."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.windows import WINDOWS
from model.bundle import CARD, Card
from schemas import hours
from schemas.impression import FIELDS
from trainer import prepare
from trainer.stage import Stage, silent
from trainer.tracking import CANDIDATE, MODEL, mlflow_at

CHAMPION = "champion"
DAY = 24  # hours
MARGIN = 0.001  # nats an impression; what a new day of the real log moves the logloss by is ten times as much
GROUPS, DRAWS = 500, 2_000

Losses = npt.NDArray[np.float64]


class Verdict(msgspec.Struct, frozen=True):
    """What the gate found on the newest day."""

    candidate: str  # version in the registry
    champion: str | None
    promoted: bool
    reason: str
    impressions: int = 0
    candidate_logloss: float | None = None
    champion_logloss: float | None = None
    difference: float | None = None  # candidate - champion, nats an impression
    difference_low: float | None = None  # 95 % interval
    difference_high: float | None = None


class _Day(NamedTuple):
    """The newest day of a log, after the hours that make its counts warm."""

    impressions: Path  # Parquet, warm-up first
    warm_up: int  # rows
    from_hour: int  # YYMMDDHH
    clicks: npt.NDArray[np.int8]  # of the day
    groups: npt.NDArray[np.int64]  # rows of one device_ip are in one group; of the day


def promote(uri: str, log: Path, margin: float = MARGIN, stage: Stage = silent) -> Verdict:
    """Point `champion` at the candidate if it is not worse than the champion on the newest day of a labelled log.

    Not worse: the upper end of the 95 % interval of the difference in logloss is at most `margin`. Both score the same
    impressions, each with the code that it was trained with. Without a champion the candidate has only to score.

    Args:
        uri: of MLflow's tracking server, or sqlite:///file.
        log: labelled; its last 24 hours are the day, those before warm the counts.
        margin: nats an impression.
        stage: shows progress.

    Raises:
        ValueError: there is no candidate, or one of the two has learnt from the newest day.
        LogError: the log can not be read.
    """
    mlflow = mlflow_at(uri)
    candidate, champion = _version(mlflow, CANDIDATE), _version(mlflow, CHAMPION)
    if candidate is None:
        raise ValueError(f"{uri}: the model {MODEL} has no {CANDIDATE}; `ctr train` registers one")
    if candidate == champion:
        return Verdict(candidate, champion, False, "the candidate is the champion already")
    with TemporaryDirectory(prefix="promote-") as name:
        folder = Path(name)
        day = _newest_day(log, folder, stage)
        told = stage("score", 2)
        losses = _losses(mlflow, candidate, day, folder)
        told(1)
        against = _losses(mlflow, champion, day, folder) if champion else None
        told(1)
    verdict = _verdict(candidate, champion, day, losses, against, margin)
    if verdict.promoted:
        mlflow.MlflowClient().set_registered_model_alias(MODEL, CHAMPION, candidate)
    return verdict


def interval(differences: Losses, groups: npt.NDArray[np.int64], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean of paired differences: bootstrap over groups, whose rows are not independent.

    Efron's percentile interval; `groups` holds a number below GROUPS for each difference.
    """
    counts = np.bincount(groups, minlength=GROUPS)
    sums = np.bincount(groups, weights=differences, minlength=GROUPS)
    drawn = np.random.default_rng(seed).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), size=DRAWS)
    rows = drawn @ counts
    means = (drawn @ sums)[rows > 0] / rows[rows > 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _verdict(
    candidate: str, champion: str | None, day: _Day, losses: Losses, against: Losses | None, margin: float
) -> Verdict:
    if against is None:
        return Verdict(
            candidate, None, True, "there was no champion", len(losses), candidate_logloss=float(losses.mean())
        )
    low, high = interval(losses - against, day.groups)
    promoted = high <= margin
    return Verdict(
        candidate,
        champion,
        promoted,
        f"the difference is {'surely' if promoted else 'not surely'} at most {margin:g}",
        len(losses),
        float(losses.mean()),
        float(against.mean()),
        float((losses - against).mean()),
        low,
        high,
    )


def _version(mlflow: Any, alias: str) -> str | None:
    try:
        return str(mlflow.MlflowClient().get_model_version_by_alias(MODEL, alias).version)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no such model, no such alias
            return None
        raise


def _newest_day(log: Path, folder: Path, stage: Stage) -> _Day:
    prepared = prepare.prepare(log, folder / "prepared", stage("prepare", log.stat().st_size if log.is_file() else 0))
    from_hour = prepared.first_test_hour(DAY)
    warm_from = hours.from_index(hours.index(from_hour) - max(WINDOWS.values()) + 1)
    chunks = [chunk.columns for chunk in prepare.chunks(folder / "prepared", warm_from)]
    table = pa.concat_tables(chunks)
    in_day = table.filter(pa.compute.greater_equal(table.column("hour"), from_hour))
    path = folder / "impressions.parquet"
    pq.write_table(table.select(list(FIELDS)), path)
    codes, _ = pd.factorize(in_day.column("device_ip").to_pandas())
    return _Day(path, len(table) - len(in_day), from_hour, in_day.column("click").to_numpy(), codes % GROUPS)


def _losses(mlflow: Any, version: str, day: _Day, folder: Path) -> Losses:
    """The logloss of each impression of the day under one version of the model."""
    model = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}", dst_path=str(folder / version)))
    flavor = msgspec.yaml.decode((model / "MLmodel").read_bytes())["flavors"]["python_function"]
    bundle, code = model / flavor["data"], model / flavor["code"]
    card = msgspec.json.decode((bundle / CARD).read_bytes(), type=Card)
    if card.trained_through >= day.from_hour:
        raise ValueError(
            f"version {version} has learnt from hours up to {card.trained_through}, the newest day begins at "
            f"{day.from_hour}; promote on a log with a newer day"
        )
    out = folder / f"{version}.parquet"
    command = [sys.executable, "-m", "model.pyfunc", str(bundle), str(day.impressions), str(out)]
    ended = subprocess.run(
        command, cwd=code, env=os.environ | {"PYTHONPATH": str(code)}, stderr=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        raise ValueError(f"version {version} can not score: {ended.stderr.strip().splitlines()[-1:]}")
    predictions = pq.read_table(out).column("click_proba").to_numpy()[day.warm_up :]
    return np.asarray(-np.log(np.where(day.clicks == 1, predictions, 1 - predictions)))
