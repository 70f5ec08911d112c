"""What all stages share: how they tell their progress, and how what they make appears only when it is complete."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

Advance = Callable[[int], None]
Known = TypeVar("Known", bound=msgspec.Struct)


class Stage(Protocol):
    """Shows one stage's progress: `stage(name, total)` gives the function that is told of each advance."""

    def __call__(self, name: str, total: int, /) -> Advance:
        """Begin the stage `name` of `total` steps."""
        ...


def quiet(advance: int, /) -> None:
    """Shows nothing."""


def silent(name: str, total: int, /) -> Advance:
    """The stage that shows nothing."""
    return quiet


@contextmanager
def folder_of(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when all went well; what was in `out` is replaced."""
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    except BaseException:
        shutil.rmtree(part)
        raise
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)


def write_json(path: Path, record: msgspec.Struct) -> None:
    """Write a struct so that people can read it."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def read_json(path: Path, kind: type[Known]) -> Known:
    """Read what `write_json` wrote.

    Raises:
        ValueError: the file is missing or holds something else; says which stage to run.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; run the stage that makes {path.parent.name} first") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}; run the stage that makes {path.parent.name} anew") from None
