"""The stages of dvc.yaml, one command each: `python -m cli.stages STAGE`. Parameters come from params.yaml.

Each makes one folder of `out/pipeline`, which appears when it is complete.
"""

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from cli import show

PIPELINE = Path("out/pipeline")
PREPARED, FEATURES, FIT, EVALUATION, BUNDLE = (
    PIPELINE / name for name in ("prepared", "features", "fit", "evaluation", "bundle")
)

Struct = TypeVar("Struct")
Params = Annotated[Path, typer.Option(help="The parameters of all stages.")]
PARAMS = Path("params.yaml")

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log that is simulated."""

    rows: int
    hours: int
    seed: int
    audience: float


class Learnt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How rows are built."""

    test_hours: int  # at the log's end: the test
    weight: float  # impressions that the prior is worth


@app.command()
def simulate(params: Params = PARAMS) -> None:
    """Make the log of the default pipeline, with the true click probability of each row."""
    from trainer.simulate import simulate as make_log

    given = section(params, "simulate", Simulated)
    folder = PIPELINE / "simulated"
    folder.mkdir(parents=True, exist_ok=True)
    with show.progress() as stage:
        make_log(
            folder / "log.csv.gz",
            folder / "truth.csv",
            rows=given.rows,
            seed=given.seed,
            hours=given.hours,
            audience=given.audience,
            progress=stage("simulate", given.rows),
        )


@app.command()
def prepare(params: Params = PARAMS) -> None:
    """Read the log into typed chunks, one an event hour."""
    from trainer.prepare import prepare as read

    log = Path(section(params, "log", str))
    with show.progress() as stage:
        read(log, PREPARED, stage("prepare", log.stat().st_size if log.is_file() else None))


@app.command()
def build_features(params: Params = PARAMS) -> None:
    """Build the rows, each with what was known when it was shown, and the lookup tables."""
    from trainer import prepare as prepared
    from trainer.build_features import build_features as build

    given = section(params, "features", Learnt)
    log = prepared.read_card(PREPARED)
    with show.progress() as stage:
        build(PREPARED, FEATURES, log.first_test_hour(given.test_hours), given.weight, stage("features", log.rows))


@app.command()
def fit(params: Params = PARAMS) -> None:
    """Fit the model on the hours before the test."""
    from trainer.fit import FitParameters, fit_features

    given = section(params, "fit", FitParameters)
    with show.progress() as stage:
        fit_features(FEATURES, FIT, given, stage("trees", given.iterations))


@app.command()
def evaluate() -> None:
    """Judge the model on the test hours."""
    from trainer import build_features as built
    from trainer.evaluate import evaluate as judge

    made, rows = built.read(FEATURES)
    with show.progress() as stage:
        judge(FEATURES, FIT, EVALUATION, stage("evaluate", len(rows.between(made.train_until).hours)))


@app.command()
def publish() -> None:
    """Make the bundle."""
    from trainer.publish import publish as make

    make(FEATURES, FIT, EVALUATION, BUNDLE)


def section(params: Path, name: str, kind: type[Struct]) -> Struct:
    """One section of params.yaml.

    Raises:
        ValueError: the file or the section is missing, or holds a name or a value that the stage does not take.
    """
    try:
        found = msgspec.yaml.decode(params.read_bytes(), type=dict[str, object])
        return msgspec.convert(found[name], kind)
    except FileNotFoundError:
        raise ValueError(f"{params}: not found; run the stages in the project's folder") from None
    except KeyError:
        raise ValueError(f"{params}: expected the section {name}, it is missing") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"{params}: {name}: {error}") from None


if __name__ == "__main__":
    app()
