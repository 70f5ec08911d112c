"""One server of the embedded stack: a child of this program, on a port of loopback, with its files in a folder."""

import fcntl
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import PortTakenError, StackError

HOST = "127.0.0.1"
_START_SECONDS = 60
_STOP_SECONDS = 30
_PORT_TRIES = 5
# Below the range from which systems give ports to outgoing connections: nobody takes ours between a kill and a start.
_PORTS = range(15_000, 32_000)
# The first line of a server's life is its pid; without its folder (the owner is gone already) it does not start at all.
_RECORD_PID_AND_RUN = 'echo $$ > "$0" && exec "$@"'


@dataclass
class Server:
    """A server that can be started again on its port with its files, killed and paused.

    Attributes:
        name: Program and version: "kafka 4.4.0".
        address: Where clients reach it, in the form they take.
        command: Program and arguments.
        folder: Its working directory; the log and the pid file stand beside it, as `<folder>.log` and `<folder>.pid`.
        answers: Whether it answers requests by now; asked until it says so.
    """

    name: str
    address: str
    command: list[str] = field(repr=False)
    folder: Path
    answers: Callable[[], bool] = field(repr=False)
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def version(self) -> str:
        """The version in the name: "4.4.0"."""
        return self.name.split()[-1]

    @property
    def pid(self) -> int | None:
        """The pid while it runs (or is paused), else None."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> None:
        """Start it and return when it answers requests; nothing happens if it runs.

        Raises:
            PortTakenError: Its port is taken.
            StackError: It ended or did not answer within a minute; the message carries the end of its log.
        """
        if self.pid is not None:
            return
        self._child = self._run()
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            ended = self.pid is None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise self._failure("ended at its start" if ended else f"did not answer in {_START_SECONDS} s")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask it to end and wait; kill it if it takes longer than half a minute. Also ends a paused one."""
        if self.pid is None or self._child is None:
            return
        self._child.terminate()
        self.resume()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would (kill -9)."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self.pid is not None:
            self._child.send_signal(number)

    def _run(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._beside(".pid").open("w") as pid_file, self._beside(".log").open("ab") as log:
            fcntl.flock(pid_file, fcntl.LOCK_EX)  # inherited: held until the server is gone (see folder.py)
            return subprocess.Popen(
                ["/bin/sh", "-c", _RECORD_PID_AND_RUN, pid_file.name, *self.command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[pid_file.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for the owner, who ends its servers in order
            )

    def _beside(self, suffix: str) -> Path:
        return self.folder.with_name(self.folder.name + suffix)

    def _failure(self, what: str) -> StackError:
        lines = self._beside(".log").read_text(errors="replace").splitlines()[-30:]
        kind = (
            PortTakenError if re.search(r"address (already )?in use", "\n".join(lines), re.IGNORECASE) else StackError
        )
        return kind("\n  ".join([f"{self.name} at {self.address} {what}. The end of its log:", *lines]))


def launch(make: Callable[[], Server]) -> Server:
    """Start the server that `make` describes; when its port turns out to be taken, make another one.

    Raises:
        StackError: It does not start.
    """
    for _ in range(_PORT_TRIES - 1):
        server = make()
        try:
            server.start()
        except PortTakenError:
            continue
        return server
    server = make()
    server.start()
    return server


def free_ports(count: int) -> list[int]:
    """Different ports of loopback that nobody listens on now."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port, probe = random.choice(_PORTS), held.enter_context(closing(socket.socket()))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            # Two sockets of SO_REUSEADDR may share a port while neither listens.
            if port not in ports:
                ports.append(port)
    return ports


def accepts(port: int) -> bool:
    """Whether something on this machine accepts connections on the port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == os.EX_OK
