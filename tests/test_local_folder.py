"""Whatever happens to the owner of a stack, its servers end and its folder goes: shown with real programs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import folder

OWNER = """
import json, signal, sys, time
from pathlib import Path
from local import folder
from local.server import Server

# A test run in the background ignores these, and a child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with folder.owned(Path(sys.argv[1]) if sys.argv[1:] else None) as place:
    server = Server("sleep 1", "nowhere", ["sleep", "600"], place / "sleep", lambda: True)
    server.start()
    print(json.dumps({"folder": str(place), "server": server.pid}), flush=True)
    time.sleep(600)
"""


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether there is a program with this pid that has not ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")  # who has ended waits as Z for a slow init


Owner = tuple[subprocess.Popen[str], Path, int]


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    """Starts a program that owns a stack of one server: the program, its folder, and the pid of the server."""
    owners = []

    def start(*arguments: str) -> Owner:
        command = [sys.executable, "-c", OWNER, *arguments]
        owner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        owners.append(owner)
        assert owner.stdout is not None
        with owner.stdout:
            told = json.loads(owner.stdout.readline())
        return owner, Path(told["folder"]), told["server"]

    yield start
    for owner in owners:
        end(owner, signal.SIGKILL)


def end(owner: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the owner and wait until it is gone."""
    owner.send_signal(number)
    owner.wait(30)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_servers_and_folder_go_when_the_owner_is_ended(
    ending: signal.Signals, start_owner: Callable[..., Owner]
) -> None:
    """Kill -9, SIGTERM, Ctrl-C or a closed terminal: the server dies and the temporary folder is removed."""
    owner, place, server = start_owner()
    assert place.is_dir()
    assert lives(server)
    end(owner, ending)
    until(lambda: not lives(server) and not place.exists())


def test_a_kept_folder_outlives_its_owner_but_its_servers_do_not(
    tmp_path: Path, start_owner: Callable[..., Owner]
) -> None:
    """With a folder of the caller's, a dead owner's servers are ended and the files stay."""
    owner, place, server = start_owner(str(tmp_path / "kept"))
    end(owner, signal.SIGKILL)
    until(lambda: not lives(server))
    assert (place / "sleep.pid").exists()


def test_a_folder_in_use_is_refused(tmp_path: Path, start_owner: Callable[..., Owner]) -> None:
    """Two programs cannot run a stack in the same folder."""
    _, place, _ = start_owner(str(tmp_path / "kept"))
    with pytest.raises(BlockingIOError, match="Another program"), folder.owned(place):
        pass


def test_the_next_start_sweeps_up_when_the_watcher_was_killed_too(start_owner: Callable[..., Owner]) -> None:
    """What an owner and its watcher left behind is ended and removed by `sweep`."""
    owner, place, server = start_owner()
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    (watcher,) = [pid for pid, parent in pairs if parent == owner.pid and pid != server]
    os.kill(watcher, signal.SIGKILL)
    end(owner, signal.SIGKILL)
    assert lives(server)
    folder.sweep()
    assert not lives(server)
    assert not place.exists()


def test_a_temporary_folder_is_gone_after_the_block() -> None:
    """On the way out the folder and all it holds are removed."""
    with folder.owned() as place:
        (place / "file").write_text("x")
    assert not place.exists()


def test_a_given_folder_is_made_and_kept(tmp_path: Path) -> None:
    """A folder of the caller's is made if needed and stays with what it holds."""
    with folder.owned(tmp_path / "a" / "b") as place:
        (place / "file").write_text("x")
    assert (tmp_path / "a" / "b" / "file").read_text() == "x"


def test_sweep_leaves_the_living_alone() -> None:
    """The folder of a running owner, and folders that only look like ours, are not touched."""
    stranger = Path(tempfile.mkdtemp(prefix="ctr-stream-notes-"))
    with folder.owned() as place:
        folder.sweep()
        assert place.exists()
    assert stranger.exists()
    stranger.rmdir()
