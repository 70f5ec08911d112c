"""The folder of a stack, and the watcher that ends its servers and removes it when its owner is gone.

However the owner ends (return, exception, Ctrl-C, SIGTERM, kill -9), the kernel releases its lock on `<folder>/owner`.
A watcher waits for that lock, so one way of cleaning up serves every ending, on Linux and macOS, from any thread.
A server holds a lock on its `<name>.pid` file for as long as it lives: a pid read there cannot be a stranger's.

The watcher runs this file by its path, alone: import nothing but the standard library here.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_PREFIX = "ctr-stream-"
_KEEP, _REMOVE = "keep", "remove"


@contextmanager
def owned(folder: Path | None = None) -> Iterator[Path]:
    """A folder for one stack; on exit, or when this program dies, the servers recorded in it are ended.

    Args:
        folder: Where to keep the files; None for a temporary folder that is removed with all it holds.

    Raises:
        BlockingIOError: Another program runs a stack in `folder`.
    """
    sweep()
    made = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-") if folder is None else folder
    path = Path(made).resolve()  # a server asked for its folder names it without links
    path.mkdir(parents=True, exist_ok=True)
    with (path / "owner").open("w") as owner:
        _lock(owner, path)
        watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(path), _REMOVE if folder is None else _KEEP],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal must not reach it
        )
        try:
            yield path
        finally:
            owner.close()
            watcher.wait()


def sweep() -> None:
    """Clean up after owners whose watcher was killed as well."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        with suppress(OSError):
            if _is_abandoned(path):
                _clean(path, _REMOVE)


def _is_abandoned(path: Path) -> bool:
    # Both must be gone: an owner that is just starting lives, but does not hold its lock yet.
    pid = re.match(rf"{_PREFIX}(\d+)-", path.name)
    if pid is None or _lives(int(pid[1])):
        return False
    owner = path / "owner"
    if owner.exists():
        with owner.open("r+") as file:
            _lock(file, path)
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BlockingIOError(f"Another program runs a stack in {path}.") from error


def _watch(path: Path, then: str) -> None:
    with (path / "owner").open("r+") as owner:
        fcntl.lockf(owner, fcntl.LOCK_EX)
        _clean(path, then)


def _clean(path: Path, then: str) -> None:
    for pid_file in path.glob("*.pid"):
        _end(pid_file)
    if then == _REMOVE:
        shutil.rmtree(path, ignore_errors=True)


def _end(pid_file: Path) -> None:
    """Kill the server that holds the lock on this file, and wait until it is gone."""
    with pid_file.open() as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = pid_file.read_text().strip()  # empty for an instant, between the lock and the first line
                if pid:
                    with suppress(ProcessLookupError):
                        os.killpg(int(pid), signal.SIGKILL)
                time.sleep(0.01)
            else:
                return


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), sys.argv[2])
