"""Log a training to MLflow: parameters, metrics, plots, configuration, and the bundle as a registered model.

MLflow is imported in one place, `mlflow_at`, and only when it is called: whoever trains needs neither the package nor
its server.
"""

import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq

import features
import model
import schemas
from model.bundle import load
from schemas.impression import FIELDS, STRING_FIELDS
from trainer import build_features, evaluate, fit, plots, prepare

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_URI = "sqlite:///out/mlflow.db"
EXPERIMENT = MODEL = "ctr"
CANDIDATE = "candidate"
_CONFIGURATION = ("params.yaml", "dvc.yaml", "dvc.lock")
_SERVED_WITH = ("catboost", "msgspec", "numpy", "pyarrow")


class Tracked(NamedTuple):
    """Where a training was logged."""

    run_id: str
    model_version: str  # in the registry; the alias `candidate` points at it


def track(uri: str, work: Path, bundle: Path) -> Tracked:
    """Log a training and register its bundle as the candidate; a bundle that was logged before is not logged again.

    Args:
        uri: of MLflow's tracking server, or sqlite:///file.
        work: folder of the stages' outputs: prepared, features, fit, evaluation.
        bundle: the bundle they made.

    Raises:
        Exception: MLflow is missing or fails, in any of its many ways.
    """
    mlflow = mlflow_at(uri)
    client = mlflow.MlflowClient()
    version_ = load(bundle).version
    experiment = _experiment(client, uri)
    known = client.search_runs([experiment], f"tags.bundle = '{version_}' and attributes.status = 'FINISHED'")
    if known:
        return Tracked(known[0].info.run_id, known[0].data.tags["model_version"])
    with mlflow.start_run(experiment_id=experiment, run_name=version_) as run:
        mlflow.set_tags({"bundle": version_, **_git()})
        mlflow.log_params(_parameters(work))
        mlflow.log_metrics(msgspec.json.decode((work / "evaluation" / evaluate.CARD).read_bytes()))
        _log_files(mlflow, work)
        registered = _log_model(mlflow, work, bundle)
        mlflow.set_tag("model_version", registered)
    client.set_registered_model_alias(MODEL, CANDIDATE, registered)
    return Tracked(run.info.run_id, registered)


def try_track(uri: str, work: Path, bundle: Path) -> Tracked | str:
    """As `track`; what goes wrong there is returned as a message, for a bundle is none the worse for it."""
    try:
        return track(uri, work, bundle)
    except Exception as error:  # MLflow, its store and its server raise what they like
        return f"not tracked at {uri}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def mlflow_at(uri: str) -> Any:
    """The module `mlflow`, pointed at `uri`; it gives up soon and reports to nobody else."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)  # read when MLflow is imported or called; there is no other way
    import mlflow  # noqa: PLC0415  # after its environment

    if uri.startswith("sqlite:///"):
        _database(uri).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow


def _signature(mlflow: Any) -> Any:
    """Raw impressions in, click_proba out."""
    types = mlflow.types
    columns = [
        types.ColSpec(types.DataType.string if name in STRING_FIELDS else types.DataType.long, name) for name in FIELDS
    ]
    return mlflow.models.ModelSignature(types.Schema(columns), types.Schema([types.ColSpec(types.DataType.double)]))


def _experiment(client: Any, uri: str) -> str:
    """The experiment's id; beside a database of ours lie the files, a server knows its own place."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found:
        return str(found.experiment_id)
    beside = (_database(uri).parent / "mlruns").resolve().as_uri() if uri.startswith("sqlite:///") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=beside))


def _database(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


def _parameters(work: Path) -> dict[str, object]:
    """What tells trainings apart: the log, how it was split, what was fitted."""
    log, (made, _), fitted = (
        prepare.read_card(work / "prepared"),
        build_features.read(work / "features"),
        fit.read_card(work / "fit"),
    )
    return {
        "log_sha256": log.sha256,
        "log_rows": log.rows,
        "first_hour": made.first_hour,
        "train_until": made.train_until,
        "train_impressions": fitted.impressions,
        "weight": made.weight,
        "features": len(made.names),
        **{f"fit.{name}": value for name, value in msgspec.structs.asdict(fitted.parameters).items()},
    }


def _git() -> Mapping[str, str]:
    """The commit, where there is one, and whether files differed from it."""
    try:
        commit, changes = (
            subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"mlflow.source.git.commit": commit, "git_dirty": str(bool(changes)).lower()}


def _log_files(mlflow: Any, work: Path) -> None:
    """Configuration, cards, tables of the evaluation, a plot."""
    for path in (Path(name) for name in _CONFIGURATION):
        if path.is_file():
            mlflow.log_artifact(str(path), "configuration")
    for card in ("prepared/log.json", "features/features.json", "fit/fit.json"):
        mlflow.log_artifact(str(work / card), "configuration")
    for path in sorted((work / "evaluation").iterdir()):
        if path.suffix != ".npy":
            mlflow.log_artifact(str(path), "evaluation")
    made, built = build_features.read(work / "features")
    predictions = np.load(work / "evaluation" / "predictions.npy")
    if len(predictions):
        with TemporaryDirectory() as folder:
            plot = Path(folder) / "calibration.png"
            clicks = np.asarray(built.between(made.train_until).clicks)
            plots.calibration(clicks, predictions, "Test hours", plot)
            mlflow.log_artifact(str(plot), "evaluation")


def _log_model(mlflow: Any, work: Path, bundle: Path) -> str:
    """Log the bundle with the code that reads it, and register it; its version in the registry."""
    made = mlflow.pyfunc.log_model(
        name="bundle",
        loader_module="model.pyfunc",  # the bundle's own files and this module: nothing is pickled
        data_path=str(bundle),
        code_paths=[package.__path__[0] for package in (schemas, features, model)],
        pip_requirements=[f"{package}=={version(package)}" for package in _SERVED_WITH],
        signature=_signature(mlflow),
        input_example=_example(work),
        registered_model_name=MODEL,
        await_registration_for=60,
    )
    return str(made.registered_model_version)


def _example(work: Path) -> "pd.DataFrame":
    """The log's first impressions, as they are sent."""
    first = sorted((work / "prepared").glob("*.parquet"))[0]
    rows: pd.DataFrame = pq.read_table(first, columns=list(FIELDS)).slice(0, 3).to_pandas()
    return rows.astype({name: "int64" for name in FIELDS if name not in STRING_FIELDS})
