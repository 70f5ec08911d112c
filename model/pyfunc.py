"""A bundle as MLflow loads it: raw impressions in, click_proba out. Knows nothing of MLflow but its loader's name.

    python -m model.pyfunc BUNDLE IMPRESSIONS.parquet OUT.parquet

does the same with files, so that a bundle can be run by the code that it was trained with.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from features.definition import Row
from features.keys import keys
from features.windows import State, observe
from model.bundle import Bundle, load
from schemas import hours, impression

BLOCK = 10_000  # rows predicted at a time


class Frame(Protocol):
    """What is asked of a pandas frame."""

    def to_dict(self, orient: str, /) -> Any:
        """The rows as mappings, with orient 'records'."""
        ...


class Scorer:
    """Scores impressions in time order, on counts that begin empty with each call."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def predict(self, frame: Frame, params: Mapping[str, Any] | None = None) -> list[float]:
        """The click_proba of each row of a frame with an impression's fields.

        Raises:
            DecodeError: a row is no impression.
        """
        return self.score(frame.to_dict("records"))

    def score(self, rows: Iterable[Mapping[str, Any]]) -> list[float]:
        """The click_proba of each impression, in the order given, each counted after it is scored.

        Raises:
            DecodeError: a row is no impression.
        """
        state: State = {}
        scores: list[float] = []
        block: list[Row] = []
        for fields in rows:
            shown = impression.from_mapping(fields)
            block.append(self._bundle.build(shown, observe(state, keys(shown), hours.index(shown.hour))))
            if len(block) == BLOCK:
                scores += self._bundle.predict(block)
                block = []
        return scores + (self._bundle.predict(block) if block else [])


def _load_pyfunc(path: str) -> Scorer:
    """What MLflow calls with the bundle's folder."""
    return Scorer(load(Path(path)))


def main(bundle: str, impressions: str, out: str) -> None:
    """Score the rows of a Parquet file, in its order."""
    batches = pq.ParquetFile(impressions).iter_batches(BLOCK)
    rows = (row for batch in batches for row in batch.to_pylist())
    pq.write_table(pa.table({"click_proba": _load_pyfunc(bundle).score(rows)}), out)


if __name__ == "__main__":
    main(*sys.argv[1:])
