"""Apache Kafka's jars, downloaded once by Maven into the user's cache, with a formatted storage folder to copy from."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import MissingError, StackError

POM = Path(__file__).with_name("pom.xml")


def version() -> str:
    """The version of Kafka that the pom pins."""
    found = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    if found is None:
        raise StackError(f"{POM} pins no kafka.version.")
    return found[1]


def home() -> Path:
    """Where this version of Kafka lies, or will: `<cache>/ctr-stream/kafka-<version>`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ctr-stream" / f"kafka-{version()}"


def classpath() -> str:
    """All jars in a fixed order (an archive of classes is valid for one order only)."""
    return os.pathsep.join(str(jar) for jar in sorted((home() / "jars").glob("*.jar")))


def install() -> None:
    """Download the jars unless they are there; two callers at once download them once.

    Raises:
        MissingError: Maven is not installed.
        StackError: Maven could not download them.
    """
    if home().exists():
        return
    with locked():
        if home().exists():
            return
        say(f"downloading Apache Kafka {version()} (45 MB, once) to {home()}")
        partial = home().with_name(home().name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        _download(partial / "jars")
        partial.rename(home())


@contextmanager
def locked() -> Iterator[None]:
    """Only one program at a time changes what is in the cache; the others wait."""
    home().parent.mkdir(parents=True, exist_ok=True)
    with home().with_name(home().name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(what: str) -> None:
    """Tell the user why the first start takes longer."""
    sys.stderr.write(f"local: {what}\n")
    sys.stderr.flush()


def _download(folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise MissingError(
            f"Apache Kafka {version()} is not in the cache and Maven is not installed. Install maven, or use Tansu."
        )
    copy = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    done = subprocess.run(copy, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()[-15:]
        raise StackError("\n  ".join([f"Maven could not download Apache Kafka {version()}:", *lines]))
