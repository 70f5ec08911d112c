"""Are the rows that the trainer built those that the stream builds? Counts the differences, bit for bit.

    ctr simulate --out log.csv --rows 4000000
    ctr train --data log.csv --test-hours 72 --out bundle --work work
    python -m benchmarks.parity log.csv work bundle

The rows from `train_until` on go through the stream's own decode and encode as messages; what these build and score is
compared with the trainer's rows and what the bundle predicts of those. Counts are kept in memory here: that Redis
counts as this does is shown by `ctr verify` and the tests of the store.
"""

import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from features.definition import Row
from features.windows import WINDOWS, Counts, State, observe
from model.bundle import load
from replay import log as logs
from schemas import hours
from schemas.impression import Impression
from store.batch import Counted
from store.keyspace import Source
from stream import score
from trainer import build_features

BATCH = 1000
SOURCE = Source("impressions", 0)


class Record(msgspec.Struct):
    """A message as it is consumed."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def main(log: Path, work: Path, bundle: Path) -> None:
    """Compare; exit 1 on any difference."""
    features, built = build_features.read(work / "features")
    test = built.between(features.train_until)
    predict = load(bundle).predict
    compared = rows_differ = predictions_differ = 0
    with Progress(console=Console(stderr=True)) as bars:
        bar = bars.add_task("compare", total=len(test.rows))
        for rows, click_probas in _streamed(log, bundle, features.train_until):
            span = slice(compared, compared + len(rows))
            rows_differ += int((np.array(rows, dtype=np.float32) != test.rows[span]).any(axis=1).sum())
            predictions_differ += int((np.array(click_probas) != np.array(predict(test.rows[span]))).sum())
            compared += len(rows)
            bars.advance(bar, len(rows))
    figures = {
        "rows_compared": compared,
        "rows_of_the_trainer": len(test.rows),
        "rows_that_differ": rows_differ,
        "predictions_that_differ": predictions_differ,
    }
    print(msgspec.json.format(msgspec.json.encode(figures)).decode())
    sys.exit(compared != len(test.rows) or rows_differ + predictions_differ > 0)


def _streamed(log: Path, folder: Path, train_until: int) -> Iterator[tuple[list[Row], list[float]]]:
    """Rows and probabilities of the stream, batch by batch, from train_until on; a day before it warms the counts."""
    rows: list[Row] = []
    bundle = load(folder)

    def build(shown: Impression, counts: Counts) -> Row:
        rows.append(bundle.build(shown, counts))
        return rows[-1]

    encode = score.encoder(bundle._replace(build=build))
    state: State = {}
    warm_from = hours.from_index(hours.index(train_until) - max(WINDOWS.values()) + 1)
    offsets = count()
    for first, last in ((warm_from, train_until), (train_until, 99123124)):
        coming = logs.messages(log, first, last)
        while messages := list(islice(coming, BATCH)):
            decoded = score.decode(SOURCE, [Record(next(offsets), 0, *message) for message in messages])
            counted = [Counted(1, observe(state, one.keys, one.hour)) for one in decoded.observations]
            if last > train_until:
                (scored,) = encode([score.Batch(SOURCE, decoded, counted)], time.time())
                yield rows, [msgspec.json.decode(value or b"")["click_proba"] for _, value, _, _ in scored.scores]
                rows.clear()


if __name__ == "__main__":
    typer.run(main)
