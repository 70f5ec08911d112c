"""The embedded stack: a Kafka broker and a Redis on loopback for as long as a `with` block lasts."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, Protocol

from local import folder as folders
from local import jars, kafka, tansu, valkey
from local.errors import StackError
from local.secured import Secured
from local.server import Server

BrokerName = Literal["auto", "kafka", "tansu"]


class Part(Protocol):
    """A broker or a Redis of the stack."""

    @property
    def name(self) -> str:
        """Program and version: "kafka 4.4.0", "tansu 0.6.0", "valkey 9.1.2", "redis 7.0.15"; or "external"."""

    @property
    def version(self) -> str:
        """The last word of the name."""

    @property
    def address(self) -> str:
        """Bootstrap servers of a broker, URL of a Redis."""

    def start(self) -> None:
        """Start it again, on the same port and with its files (Tansu has none), and wait until it answers."""

    def stop(self) -> None:
        """Ask it to end and wait."""

    def kill(self) -> None:
        """End it as a crash would (kill -9)."""

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    def resume(self) -> None:
        """Let a paused one go on."""


@dataclass(frozen=True)
class External:
    """A broker or a Redis that runs elsewhere: used, and left alone."""

    address: str
    name: str = "external"
    version: str = "external"

    def _refuse(self) -> NoReturn:
        raise StackError(f"{self.address} is external: this stack did not start it and does not touch it.")

    start = stop = kill = pause = resume = _refuse


@dataclass(frozen=True)
class Stack:
    """A broker and a Redis that answer."""

    broker: Part
    redis: Part

    @property
    def bootstrap_servers(self) -> str:
        """Where the broker is: "127.0.0.1:17123"."""
        return self.broker.address

    @property
    def redis_url(self) -> str:
        """Where the Redis is: "redis://127.0.0.1:17124/0"."""
        return self.redis.address


@contextmanager
def running(
    broker: BrokerName = "auto",
    folder: Path | None = None,
    *,
    secured: Secured | None = None,
    lasting: bool = False,
    kafka_bootstrap_servers: str | None = None,
    redis_url: str | None = None,
) -> Iterator[Stack]:
    """Start both, wait until they answer, and end them on exit; they also end when this program dies.

    Args:
        broker: Which broker; "auto" is Apache Kafka where it can run, else Tansu.
        folder: Where files are kept for the next time; None for a temporary folder that is removed at the end.
        secured: Makes both ask for TLS and a login; needs Apache Kafka and a Redis that was built with TLS.
        lasting: Has Apache Kafka become as fast as it can, as in production, which takes minutes of load.
        kafka_bootstrap_servers: A broker to use instead of starting one.
        redis_url: A Redis to use instead of starting one.

    Raises:
        MissingError: What the named broker or Redis needs is not installed; the message says what.
        StackError: One of them does not start; the message carries the end of its log.
    """
    with folders.owned(folder) as place, ThreadPoolExecutor(2) as pool:
        starting = [
            pool.submit(_part, kafka_bootstrap_servers, lambda: _start_broker(broker, place, secured, lasting)),
            pool.submit(_part, redis_url, lambda: valkey.start(place, secured)),
        ]
        try:
            yield Stack(*[part.result() for part in starting])
        finally:
            for part in starting:
                _end(part, gently=folder is not None)


def _part(external: str | None, start: Callable[[], Server]) -> Part:
    return External(external) if external else start()


def _end(starting: Future[Part], *, gently: bool) -> None:
    part = None if starting.exception() else starting.result()
    if isinstance(part, Server):
        (part.stop if gently else part.kill)()


def _start_broker(broker: BrokerName, folder: Path, secured: Secured | None, lasting: bool) -> Server:
    if secured:
        return kafka.start(folder, secured, lasting=lasting)
    name = ("kafka" if _kafka_can_run() else "tansu") if broker == "auto" else broker
    return kafka.start(folder, lasting=lasting) if name == "kafka" else tansu.start(folder)


def _kafka_can_run() -> bool:
    try:
        kafka.find_java()
        jars.install()
    except StackError as error:
        sys.stderr.write(f"local: Tansu instead of Apache Kafka, because: {error}\n")
        return False
    return True
