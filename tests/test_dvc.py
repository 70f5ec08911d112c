"""dvc.yaml names all that a stage depends on, and its parameters are the code's own."""

from functools import cache
from pathlib import Path
from typing import Any

import grimp
import msgspec
import pytest

from cli.stages import Learnt, Simulated, section
from trainer import train
from trainer.fit import FitParameters

ROOT = Path(__file__).parents[1]
PARAMS = ROOT / "params.yaml"
STAGES: dict[str, Any] = msgspec.yaml.decode((ROOT / "dvc.yaml").read_bytes())["stages"]
PACKAGES = ("schemas", "features", "model", "trainer")


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def _path(module: str) -> str:
    """A module's file, relative to the checkout."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_it_uses(stage: str) -> None:
    """Its module, what that imports, and its command: an edit of any of it trains anew, and of nothing else."""
    module = f"trainer.{stage}"
    used = {_path(name) for name in {module, *_imports().find_upstream_modules(module)}}
    used |= {"cli/stages.py", "cli/show.py"}
    named = {dependency for dependency in STAGES[stage]["deps"] if not dependency.startswith(("out/", "${"))}
    missing = {path for path in used if path not in named and path.split("/")[0] not in named}
    assert {path for path in missing if (ROOT / path).read_text()} == set()
    assert {dependency for dependency in named if not any(path.startswith(dependency) for path in used)} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_command_of_its_name(stage: str) -> None:
    """`python -m cli.stages build-features` is the stage build_features."""
    assert STAGES[stage]["cmd"] == f"python -m cli.stages {stage.replace('_', '-')}"


def test_the_pipelines_parameters_are_the_codes_defaults() -> None:
    """`dvc repro` and `ctr train` learn alike unless told otherwise; no parameter is left out of params.yaml."""
    assert section(PARAMS, "fit", FitParameters) == FitParameters()
    assert set(section(PARAMS, "fit", dict)) == set(FitParameters.__struct_fields__)
    assert section(PARAMS, "features", Learnt) == Learnt(train.TEST_HOURS, train.WEIGHT)
    assert section(PARAMS, "simulate", Simulated).rows > 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "not found; run the stages in the project's folder"),
        ("{}", "expected the section fit, it is missing"),
        ("fit: {depth: deep}", "depth"),
        ("fit: {deepness: 6}", "deepness"),
        ("fit: [", "params.yaml"),
    ],
)
def test_parameters_that_can_not_be_used_are_named(tmp_path: Path, written: str | None, said: str) -> None:
    """A wrong params.yaml ends the stage with a message that says where and what."""
    path = tmp_path / "params.yaml"
    if written is not None:
        path.write_text(written)
    with pytest.raises(ValueError, match=said):
        section(path, "fit", FitParameters)
