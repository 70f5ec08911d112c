"""How results are shown."""

import json

import pytest

from cli import show


def test_figures_are_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """Integers have thousands separators, floats four digits, nested figures a line each."""
    show.result("Title", {"rows": 1234567, "loss": 0.123456, "ok": True, "latency": {"p50": 1.0}}, as_json=False)
    out = capsys.readouterr().out
    for text in ("Title", "1,234,567", "0.1235", "True", "p50 1.0000"):
        assert text in out


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json nothing is rounded, and nothing else is on stdout."""
    figures = {"rows": 1234567, "loss": 0.1234567890123456, "latency": {"p50": 1.0}, "none": None}
    show.result("Title", figures, as_json=True)
    assert json.loads(capsys.readouterr().out) == figures


def test_progress_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Bars never mix with results."""
    with show.progress() as stage:
        stage("known", 2)(2)
        stage("unknown", None)(1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "known" in shown.err
    assert "2/2" in shown.err
