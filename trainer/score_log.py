"""Score a log on the batch path: in time order, with the counts that the stream would have had."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.keys import keys
from features.windows import State, observe
from model.bundle import Bundle
from model.rows import Rows, observed_rows
from schemas import hours
from trainer import prepare
from trainer.stage import Advance, quiet


class ScoredHour(NamedTuple):
    """An event hour's impressions, in the order of the log."""

    impressions: pa.Table
    rows: Rows
    click_probas: npt.NDArray[np.float64]


def score_log(
    bundle: Bundle, log: pa.Table, earlier: pa.Table | None = None, progress: Advance = quiet
) -> Iterator[ScoredHour]:
    """Score the impressions, hour by hour; each counts for those after it.

    Args:
        bundle: what scores.
        log: of `prepare.read_impressions`.
        earlier: a log that is counted first and not scored; without it, counts start empty.
        progress: told of the rows scored.
    """
    state: State = {}
    if earlier is not None:
        for shown in prepare.impressions(earlier):
            observe(state, keys(shown), hours.index(shown.hour))
    for hour, columns in prepare.by_hour(log):
        rows = observed_rows(bundle.build, state, prepare.impressions(columns), hours.index(hour))
        yield ScoredHour(columns, rows, np.array(bundle.predict(rows)))
        progress(len(columns))
