"""A pass through a log in time order, which gives each row what was known when the impression was shown."""

from array import array
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.ctr import CausalLookup, Totals, Value
from features.definition import FEATURE_NAMES, TABLES, builder
from features.keys import keys
from features.windows import State, forget, observe
from schemas import hours
from trainer import prepare
from trainer.prepare import Chunk

FORGET_HOURS = 12  # a pass over all counts costs seconds at full size; between two they grow by that much

Rows = npt.NDArray[np.float32]


class _Cached(NamedTuple):
    """A lookup table whose answers are kept."""

    get: Callable[[Value, float], float]


class Pass:
    """A pass through a log in time order, hour by hour: first the rows of an hour, then what its clicks teach.

    Counts are those of the impressions before a row. The lookup tables give a row the clicks of the hours before its
    own; from `train_until` on they no longer learn, as a published bundle does not.
    """

    def __init__(self, train_until: int, weight: float) -> None:
        self._train_until = train_until
        self._tables = {table: CausalLookup(weight) for table in TABLES}
        self._clicks, self._impressions = 0, 0
        # Between two hours a value's rate stays what it is: each is computed once an hour, not once a row.
        self._rates = {table: cache(lookup.get) for table, lookup in self._tables.items()}
        self._build = builder({table: _Cached(rate) for table, rate in self._rates.items()}, self.prior)
        self._state: State = {}
        self._forgot = 0

    def prior(self) -> float:
        """The CTR of all hours that are over. Laplace's rule, so that the first has one too; fit leaves it out."""
        return (self._clicks + 1) / (self._impressions + 2)

    def tables(self) -> dict[str, dict[Value, Totals]]:
        """What is known of each table's values."""
        return {table: lookup.totals for table, lookup in self._tables.items()}

    def rows(self, chunk: Chunk) -> Rows:
        """The rows of the next hour, whose clicks become known with it."""
        hour, build, state = hours.index(chunk.hour), self._build, self._state
        if hour >= self._forgot + FORGET_HOURS:
            forget(state, hour)
            self._forgot = hour
        values = array("f")  # a twentieth of the memory of lists, and faster than numpy row by row
        for impression in prepare.impressions(chunk.columns):
            values.extend(build(impression, observe(state, keys(impression), hour)))
        if chunk.hour < self._train_until:
            self._learn(chunk)
        return np.frombuffer(values, dtype=np.float32).reshape(-1, len(FEATURE_NAMES))

    def _learn(self, chunk: Chunk) -> None:
        clicks = chunk.clicks()
        self._clicks += int(clicks.sum())
        self._impressions += len(clicks)
        for table, fields in TABLES.items():
            sums = chunk.columns.group_by(list(fields), use_threads=False).aggregate(
                [("click", "sum"), ("click", "count")]
            )
            *values, clicked, shown = (sums.column(name).to_pylist() for name in (*fields, "click_sum", "click_count"))
            learn = self._tables[table].learn
            for value, more, impressions in zip(_joined(values), clicked, shown, strict=True):
                learn(value, more, impressions)
            self._rates[table].cache_clear()


def _joined(columns: list[list[object]]) -> Iterator[Value]:
    """The values of a table's fields: alone where there is one field, else as tuples."""
    return iter(columns[0]) if len(columns) == 1 else zip(*columns, strict=True)
