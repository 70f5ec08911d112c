"""How commands show things: progress on stderr, results as a table or as JSON on stdout."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Advance = Callable[[int], None]

# Options that several commands share.
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Servers = Annotated[str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="Brokers, host:port, comma separated.")]
LOCAL_BROKER = "127.0.0.1:9092"
Broker = Annotated[Literal["auto", "kafka", "tansu"], typer.Option(envvar="BROKER", help="Broker to start.")]


@contextmanager
def progress() -> Iterator[Callable[[str, int | None], Advance]]:
    """Progress bars with time left: `stage(name, total)` gives the function that is told of each advance."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def stage(name: str, total: int | None) -> Advance:
            task = bars.add_task(name, total=total)
            return lambda advance: bars.advance(task, advance)

        yield stage


def result(title: str, figures: Mapping[str, object], as_json: bool) -> None:
    """Print a command's result."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(figures)).decode())
        return
    table = Table("", "", title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name, _shown(value))
    Console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {_shown(one)}" for name, one in value.items())
    return str(value)
