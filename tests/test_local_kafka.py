"""Which Java runs Kafka."""

from pathlib import Path

import pytest

from local import kafka
from local.errors import MissingError


def put_java(folder: Path, version: str) -> None:
    """A Java that only tells its version."""
    program = folder / "java"
    folder.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)


def test_java_is_found_on_path_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is the one Java itself tells."""
    put_java(tmp_path / "bin", "21.0.4")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert kafka.find_java() == kafka.Java(str(tmp_path / "bin" / "java"), "21.0.4")


def test_java_home_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME wins, as it does for Maven."""
    put_java(tmp_path / "bin", "17.0.1")
    put_java(tmp_path / "home" / "bin", "25")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert kafka.find_java().version == "25"


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2"])
def test_an_old_java_is_refused(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka 4 needs Java 17; the error says so and what was found."""
    put_java(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(MissingError, match=f"Java 17 or newer.*{version}"):
        kafka.find_java()


def test_without_java_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Java at all: install it, or use Tansu."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(MissingError, match="Install it, or use Tansu"):
        kafka.find_java()
