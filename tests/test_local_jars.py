"""Kafka's jars are downloaded once and whole, whoever asks and however often: shown with a Maven of our own."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import jars
from local.errors import MissingError, StackError

MAVEN = """#!/bin/sh
echo called >> "$CALLS"
for word in "$@"; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done
mkdir -p "$out" && echo jar > "$out/b.jar" && echo jar > "$out/a.jar"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a Maven of our own notes its calls; it is the only one on PATH, and the cache is empty."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(MAVEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "calls"


def test_the_pom_pins_a_version_of_kafka_4() -> None:
    """The version is an exact one, 4.x."""
    assert jars.version().startswith("4.")
    assert len(jars.version().split(".")) == 3


def test_jars_are_downloaded_once(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second call finds them in the cache; the user was told of the first."""
    jars.install()
    jars.install()
    assert calls.read_text() == "called\n"
    assert capsys.readouterr().err.count("downloading Apache Kafka") == 1


def test_the_classpath_lists_jars_in_a_fixed_order(calls: Path) -> None:
    """Jars are sorted by name."""
    jars.install()
    assert [Path(jar).name for jar in jars.classpath().split(":")] == ["a.jar", "b.jar"]


def test_two_programs_at_once_download_once(calls: Path) -> None:
    """Whoever comes second waits for the first."""
    command = [sys.executable, "-c", "from local import jars; jars.install(); assert jars.classpath()"]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert calls.read_text() == "called\n"


def test_a_failed_download_leaves_nothing_that_looks_whole(calls: Path) -> None:
    """The error carries what Maven said, and the next call tries again."""
    maven = calls.with_name("bin") / "mvn"
    working = maven.read_text()
    maven.write_text("#!/bin/sh\necho no route to the moon\nexit 1\n")
    with pytest.raises(StackError, match="no route to the moon"):
        jars.install()
    maven.write_text(working)
    jars.install()
    assert jars.classpath()


def test_without_maven_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Maven and nothing in the cache: install maven, or use Tansu."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingError, match="Install maven"):
        jars.install()
