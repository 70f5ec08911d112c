"""A pass through a log in time order, which gives each row what was known when the impression was shown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.ctr import Known, Totals, Value, known
from features.definition import LINEAR_TABLES, TABLES, builder
from features.windows import State, forget
from model.rows import Rows, observed_rows
from schemas import hours
from trainer import prepare
from trainer.linear import Linear
from trainer.prepare import Chunk

_LINEAR = [list(TABLES).index(table) for table in LINEAR_TABLES]  # columns of an hour's numbers
FORGET_HOURS = 12  # a pass over all counts costs seconds at full size; between two they grow by that much


class Pass:
    """A pass through a log in time order, hour by hour: first the rows of an hour, then what its clicks teach.

    Counts are those of the impressions before a row. The lookup tables give a row the clicks of the hours before its
    own; from `train_until` on they no longer learn, as a published bundle does not. With `refresh_hours` of more than
    one, tables learn that seldom, as bundles are published: rows that were trained on are as stale as those served.
    """

    def __init__(self, train_until: int, weight: float, refresh_hours: int = 1) -> None:
        self._train_until, self._refresh_hours = train_until, refresh_hours
        self._linear = Linear()
        self._numbers: dict[str, dict[Value, int]] = {table: {} for table in TABLES}  # of all tables' values, from 0
        self._values: list[Value] = []  # by number, as are the clicks and the impressions of each:
        self._clicked, self._shown = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._pending: list[_Hour] = []  # shown, and not yet learnt from
        self._period = 0
        self._tables: dict[str, dict[Value, Known]] = {table: {} for table in TABLES}
        self._clicks, self._impressions = 0, 0
        self._weight = weight
        self._build = builder(self._tables, self.prior())
        self._state: State = {}
        self._forgot = 0

    def prior(self) -> float:
        """The CTR of all hours that are over. Laplace's rule, so that the first has one too; fit leaves it out."""
        return (self._clicks + 1) / (self._impressions + 2)

    def tables(self) -> dict[str, dict[Value, Totals]]:
        """What is known of each table's values, and what the last hours teach."""
        self._learn()
        columns = (self._clicked.tolist(), self._shown.tolist(), self._linear.log_odds.tolist())
        totals = list(map(Totals, *columns))
        return {
            table: {value: totals[number] for value, number in numbers.items()}
            for table, numbers in self._numbers.items()
        }

    def rows(self, chunk: Chunk) -> Rows:
        """The rows of the next hour, whose clicks become known with it."""
        hour, state = hours.index(chunk.hour), self._state
        if hour // self._refresh_hours != self._period or chunk.hour >= self._train_until:
            self._learn()
            self._period = hour // self._refresh_hours
        if hour >= self._forgot + FORGET_HOURS:
            forget(state, hour)
            self._forgot = hour
        found = observed_rows(self._build, state, prepare.impressions(chunk.columns), hour)
        if chunk.hour < self._train_until:
            self._pending.append(self._numbered(chunk))
        return found

    def _numbered(self, chunk: Chunk) -> "_Hour":
        """An hour as the numbers of its impressions' values."""
        numbers = np.empty((len(chunk.columns), len(TABLES)), dtype=np.int32)
        for position, (table, fields) in enumerate(TABLES.items()):
            distinct, places = _distinct(chunk.columns, fields)
            known = self._numbers[table]
            for value in distinct:
                if value not in known:
                    known[value] = len(self._values)
                    self._values.append(value)
            numbers[:, position] = np.array([known[value] for value in distinct], dtype=np.int32)[places]
        return _Hour(numbers, chunk.clicks())

    def _learn(self) -> None:
        """Tell prior, tables and linear model the clicks of the hours that are over."""
        if not self._pending:
            return
        numbers = np.concatenate([hour.numbers for hour in self._pending])
        clicks = np.concatenate([hour.clicks for hour in self._pending])
        self._pending = []
        self._clicks += int(clicks.sum())
        self._impressions += len(clicks)
        count = len(self._values)
        self._linear.learn(numbers[:, _LINEAR], clicks, self.prior(), count)
        self._shown = _plus(self._shown, np.bincount(numbers.ravel(), minlength=count))
        self._clicked = _plus(self._clicked, np.bincount(numbers[clicks == 1].ravel(), minlength=count))
        for table, column in zip(TABLES, numbers.T, strict=True):
            changed, lookup = np.unique(column), self._tables[table]
            columns = (self._clicked, self._shown, self._linear.log_odds)
            found = map(Totals, *(of_value[changed].tolist() for of_value in columns))
            for number, totals in zip(changed.tolist(), found, strict=True):
                lookup[self._values[number]] = known(totals, self._weight)
        self._build = builder(self._tables, self.prior())


def _plus(before: npt.NDArray[np.int64], more: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The sum, where `more` may be of more values."""
    more[: len(before)] += before
    return more


class _Hour(NamedTuple):
    """An hour to learn from."""

    numbers: npt.NDArray[np.int32]  # (impressions, tables)
    clicks: npt.NDArray[np.int8]


def _distinct(columns: pa.Table, fields: Sequence[str]) -> tuple[list[Value], npt.NDArray[np.int64]]:
    """The distinct values of the fields, as tuples where there are several, and each row's place among them."""
    encoded = [columns.column(field).combine_chunks().dictionary_encode() for field in fields]
    code = np.zeros(len(columns), dtype=np.int64)
    for one in encoded:
        code = code * len(one.dictionary) + one.indices.to_numpy()
    found, places = np.unique(code, return_inverse=True)
    values = []
    for one in reversed(encoded):
        found, place = np.divmod(found, len(one.dictionary))
        values.append(one.dictionary.take(pa.array(place)).to_pylist())
    return (values[0] if len(values) == 1 else list(zip(*reversed(values), strict=True))), places
