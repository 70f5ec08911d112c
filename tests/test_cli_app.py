"""The command line as its users meet it: help, results, errors."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import fakes
import pytest
import typer
from typer.testing import CliRunner

from cli.app import main, make_app

COMMANDS = (
    "simulate",
    "train",
    "evaluate",
    "score-file",
    "track",
    "promote",
    "worker",
    "produce",
    "consume",
    "api",
    "requests",
    "verify",
    "rebuild",
    "topics",
    "stack",
    "demo",
    "chaos",
    "bench",
)


class Ended(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `ctr` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")  # tests/integration/test_mlflow.py tracks

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ctr", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run


def test_the_commands_are_these() -> None:
    """One function a command, and no command is untested."""
    group = typer.main.get_command(make_app())
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    assert tuple(group.commands) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    """`--help` says what the command does and shows one that works."""
    shown = CliRunner().invoke(make_app(), [command, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"ctr {command}" in shown.output
    assert "Usage" in shown.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    """No option is left for the reader to guess."""
    group = typer.main.get_command(make_app())
    silent = [one.name for one in group.commands[command].params if not getattr(one, "help", None)]  # type: ignore[attr-defined]
    assert silent == []


def test_help_lists_the_commands(run: Run) -> None:
    """`ctr --help` and `ctr -h` name every command."""
    for flag in ("--help", "-h"):
        ended = run(flag)
        assert ended.code == 0
        assert all(command in ended.out for command in COMMANDS)


@pytest.mark.slow
def test_simulate_and_train_say_what_they_made(run: Run) -> None:
    """The two commands work on each other's files, and --json on stdout is JSON and nothing else."""
    ended = run("simulate", "--out", "log.csv", "--rows", 1500, "--hours", 30, "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == {"log": "log.csv", "rows": 1500, "hours": 30, "seed": 0}
    arguments = ("--data", "log.csv", "--train-until", 14102200, "--iterations", 5, "--depth", 3)
    ended = run("train", *arguments, "--out", "bundle", "--json")
    assert ended.code == 0
    figures = json.loads(ended.out)
    assert figures["bundle"] == "bundle"
    assert 0 < figures["train_impressions"] < 1500
    assert 0 < figures["test_impressions"] < 1500
    assert 0 < figures["test_logloss"] < 1
    assert Path("bundle/bundle.json").is_file()
    table = run("train", *arguments, "--out", "bundle")
    assert "Trained" in table.out
    assert "test_logloss" in table.out


def said(ended: Ended) -> str:
    """The error's one line, the last one: before it there may be progress bars, and never a traceback."""
    assert ended.code == 1, ended
    lines = [line for line in ended.err.splitlines() if line.strip()]
    assert [line.startswith("ctr: ") for line in lines] == [False] * (len(lines) - 1) + [True], ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    return lines[-1]


def unclicked(path: Path) -> Path:
    """A log in which nobody clicked."""
    return fakes.write_log(path, [fakes.fields(click=0, hour=14102100 + hour) for hour in range(5)])


def test_a_missing_log_is_one_line_and_code_1(run: Run) -> None:
    """Train and produce name the file that is not there."""
    assert said(run("train", "--data", "no.csv", "--train-until", 14102200, "--out", "b")) == (
        "ctr: no.csv: not found; make one with `ctr simulate --out no.csv`"
    )
    assert said(run("produce", "no.csv")).startswith("ctr: no.csv: ")


def test_a_spoiled_log_is_one_line_and_code_1(run: Run) -> None:
    """Cut-off downloads, folders and files that are no log are named."""
    cut = fakes.write_log(Path("cut.csv.gz"), fakes.click_log(100))
    cut.write_bytes(cut.read_bytes()[:-30])
    Path("text.csv.gz").write_text("no gzip")
    Path("folder.csv").mkdir()
    for name in ("cut.csv.gz", "text.csv.gz", "folder.csv"):
        assert name in said(run("train", "--data", name, "--train-until", 14102200, "--out", "b"))


def test_a_log_that_teaches_nothing_is_one_line_and_code_1(run: Run) -> None:
    """No clicks, or no hours to learn from: the message says what to change."""
    unclicked(Path("log.csv"))
    assert "train on more hours" in said(run("train", "--data", "log.csv", "--train-until", 14102200, "--out", "b"))
    assert "--train-until" in said(run("train", "--data", "log.csv", "--train-until", 14102100, "--out", "b"))


def test_a_wrong_start_hour_is_one_line_and_code_1(run: Run) -> None:
    """`ctr simulate --start` takes YYMMDDHH and says so."""
    assert "YYMMDDHH" in said(run("simulate", "--out", "log.csv", "--rows", 10, "--start", "today"))


def test_a_folder_that_is_not_there_is_one_line_and_code_1(run: Run) -> None:
    """A log can not be written into a folder that does not exist."""
    assert "nowhere" in said(run("simulate", "--out", "nowhere/log.csv", "--rows", 10))


def test_a_missing_bundle_is_one_line_and_code_1(run: Run) -> None:
    """A worker without a bundle ends at once and says how to make one."""
    assert said(run("worker", "--bundle", "nowhere")) == (
        "ctr: nowhere/bundle.json: not found; train a bundle with `ctr train --out nowhere`"
    )


def test_a_wrong_setting_is_one_line_and_code_1(run: Run, monkeypatch: pytest.MonkeyPatch, bundle_folder: Path) -> None:
    """An environment variable that can not be used is named."""
    monkeypatch.setenv("STORE_TTL_HOURS", "soon")
    assert "store_ttl_hours" in said(run("worker", "--bundle", bundle_folder)).lower()


def test_an_unknown_option_is_a_usage_error(run: Run) -> None:
    """Typing errors end with code 2 and the command's usage."""
    ended = run("train", "--nothing")
    assert ended.code == 2
    assert "--nothing" in ended.err


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An error that no user can have caused keeps its traceback."""
    from trainer import train

    def broken(*_: object, **__: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(train, "train", broken)
    monkeypatch.setattr(
        sys, "argv", ["ctr", "train", "--data", "x", "--train-until", "14102200", "--out", str(tmp_path)]
    )
    with pytest.raises(KeyError, match="ours"):
        main()
