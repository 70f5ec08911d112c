"""A server of the stack, shown with a tiny one: it answers as soon as its port accepts connections."""

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local.errors import PortTakenError, StackError
from local.server import HOST, Server, accepts, free_ports, launch

LISTEN = """
import pathlib, socket, sys
pathlib.Path("starts").open("a").write("started\\n")
print("hello from the log", flush=True)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()[0].recv(1)
"""


def tiny(folder: Path, port: int, program: str = LISTEN) -> Server:
    """A server that accepts connections on the port, or does what `program` says."""
    command = [sys.executable, "-I", "-S", "-c", program, str(port)]
    return Server("tiny 1.2", f"{HOST}:{port}", command, folder / "tiny", lambda: accepts(port))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that is not started yet."""
    server = tiny(tmp_path, *free_ports(1))
    yield server
    server.kill()


def test_a_started_server_answers_and_a_killed_one_is_gone(server: Server) -> None:
    """`start` returns when the server answers; after `kill` nobody listens on its port."""
    server.start()
    assert server.answers()
    server.kill()
    assert not server.answers()
    assert server.pid is None


def test_a_killed_server_starts_again_on_its_port_with_its_files(server: Server) -> None:
    """`start` after `kill` brings back the same address over the same folder."""
    server.start()
    first = server.pid
    server.kill()
    server.start()
    assert server.answers()
    assert server.pid != first
    assert (server.folder / "starts").read_text() == "started\nstarted\n"


def test_starting_a_running_server_does_nothing(server: Server) -> None:
    """`start` keeps a server that runs."""
    server.start()
    first = server.pid
    server.start()
    assert server.pid == first


def test_a_paused_server_is_ended_by_stop(server: Server) -> None:
    """`stop` does not wait in vain for a server that is frozen."""
    server.start()
    server.pause()
    assert server.pid is not None
    server.stop()
    assert server.pid is None


def test_calls_on_a_server_that_does_not_run_do_nothing(server: Server) -> None:
    """Stopping, killing, pausing and resuming what is not there is no error."""
    for call in (server.stop, server.kill, server.pause, server.resume):
        call()
    assert server.pid is None


def test_a_server_that_ends_at_its_start_raises_with_its_log(tmp_path: Path) -> None:
    """The error names the server and carries the last lines it logged."""
    broken = tiny(tmp_path, *free_ports(1), program="raise SystemExit('bad option --florp')")
    with pytest.raises(StackError, match=r"(?s)tiny 1\.2 .* ended at its start.*bad option --florp"):
        broken.start()


def test_the_version_is_the_last_word_of_the_name(server: Server) -> None:
    """`version` is read from the name."""
    assert server.version == "1.2"


def test_a_taken_port_is_told_apart_from_other_failures(tmp_path: Path) -> None:
    """A server whose port somebody else has raises PortTakenError."""
    with closing(socket.socket()) as taken:
        taken.bind((HOST, *free_ports(1)))
        with pytest.raises(PortTakenError):
            tiny(tmp_path, taken.getsockname()[1]).start()


def test_launch_takes_another_port_when_one_is_taken(tmp_path: Path) -> None:
    """`launch` makes the server anew until one gets its port."""
    with closing(socket.socket()) as taken:
        taken.bind((HOST, *free_ports(1)))
        ports = iter([taken.getsockname()[1], *free_ports(1)])
        server = launch(lambda: tiny(tmp_path, next(ports)))
    assert server.answers()
    server.kill()


def test_free_ports_differ_and_stay_clear_of_outgoing_connections() -> None:
    """Ports are distinct and below the range that systems use for outgoing connections."""
    ports = free_ports(500)  # enough that the same one is drawn more than once
    assert len(set(ports)) == 500
    assert max(ports) < 32_000
