"""How the features and the score were spread in training, in bins, to compare what comes in with.

The comparison is the population stability index, sum((live - trained) * ln(live / trained)) over a feature's bins
(Siddiqi 2006): below 0.1 nothing moved, above 0.25 it is another population. Prometheus computes it from the bins that
all workers count, over any span of time: monitoring/rules/ctr.yml.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from features.definition import FEATURE_NAMES

SCORE = "click_proba"  # beside the features' names
BINS = 10

Numbers = npt.NDArray[np.floating]


class Spread(msgspec.Struct, frozen=True):
    """The share of the training rows in each bin of one feature; bin i lies between edges i - 1 and i."""

    edges: tuple[float, ...]  # ascending; a value on an edge belongs to the bin above it
    shares: tuple[float, ...]  # one more than edges; they sum up to 1


def spreads(rows: Numbers, click_probas: Numbers) -> dict[str, Spread]:
    """The spread of each feature and of the score.

    Args:
        rows: of the training, shape (impressions, features).
        click_probas: of these rows.
    """
    columns = {name: rows[:, position] for position, name in enumerate(FEATURE_NAMES)} | {SCORE: click_probas}
    return {name: spread(column) for name, column in columns.items()}


def spread(values: Numbers) -> Spread:
    """Bins that hold about equally many values; fewer of them where a value is frequent."""
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="lower")
    edges = np.unique(quantiles[quantiles > values.min()])  # an edge at the minimum would have nothing below it
    shares = counts(edges, values) / len(values)
    return Spread(tuple(edges.tolist()), tuple(round(share, 6) for share in shares.tolist()))


def counts(edges: Sequence[float] | Numbers, values: Numbers) -> npt.NDArray[np.intp]:
    """How many of the values lie in each bin."""
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def psi(trained: Sequence[float], live: Sequence[float], least: float = 1e-4) -> float:
    """The population stability index of two lists of shares; shares below `least` count as `least`.

    >>> psi([0.5, 0.5], [0.5, 0.5])
    0.0
    """
    before, after = np.maximum(trained, least), np.maximum(live, least)
    return float(((after - before) * np.log(after / before)).sum())


Spreads = Mapping[str, Spread]
