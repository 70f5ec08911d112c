"""What every benchmark reads: a seeded log, a bundle trained on its beginning, and the messages of its end."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from features.keys import keys
from model import bundle
from model.bundle import BundleError
from replay import log
from replay.log import Message
from schemas import hours, impression
from trainer.simulate import simulate
from trainer.train import train

HOURS = 24
_AVAZU_ROWS, _AVAZU_HOURS = 40_428_967, 240


class Recipe(msgspec.Struct, frozen=True):
    """What the log is made from: the same recipe gives the same bytes."""

    rows: int  # to be scored
    seed: int
    train_rows: int = 100_000  # before them: what the bundle learns from


class Inputs(NamedTuple):
    """What every contender gets."""

    log: Path
    bundle: Path
    messages: list[Message]
    entities_per_impression: float  # distinct keys of the messages / messages
    last_hour: int  # hour index of the last message


def make(recipe: Recipe, folder: Path, stage: Callable[[str, int], Callable[[int], None]]) -> Inputs:
    """Simulate and train in `folder`; what an earlier call made by the same recipe is used again."""
    folder.mkdir(parents=True, exist_ok=True)
    path, made = folder / "log.csv", folder / "recipe.json"
    if not _is_made(made, recipe, folder / "bundle"):
        made.unlink(missing_ok=True)
        rows = recipe.train_rows + recipe.rows
        # As many impressions a user as in Avazu's whole log, so that counts are what they are there.
        audience = rows / _AVAZU_ROWS * _AVAZU_HOURS / HOURS
        advance = stage("simulate", rows)
        simulate(path, None, rows=rows, seed=recipe.seed, hours=HOURS, audience=audience, progress=advance)
        train(path, _hour_of_row(path, recipe.train_rows), folder / "bundle", stage=stage)
        made.write_bytes(msgspec.json.encode(recipe))
    messages = list(islice(log.messages(path), recipe.train_rows, None))
    shown = [impression.decode(message.value) for message in messages]
    distinct = {key for one in shown for key in keys(one) if key is not None}
    return Inputs(path, folder / "bundle", messages, len(distinct) / len(messages), hours.index(shown[-1].hour))


def _is_made(made: Path, recipe: Recipe, folder: Path) -> bool:
    try:
        bundle.verify(folder)
        return msgspec.json.decode(made.read_bytes(), type=Recipe) == recipe
    except (OSError, BundleError, msgspec.DecodeError):
        return False


def _hour_of_row(path: Path, row: int) -> int:
    return impression.decode(next(islice(log.messages(path), row, None)).value).hour
