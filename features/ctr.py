"""Lookup tables: what was learnt of each value, or of each combination of values, of the impression's fields."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

Value = Hashable  # a field's value; a tuple of them for a table over several fields


class Totals(NamedTuple):
    """What was learnt of a value."""

    clicks: int
    impressions: int
    log_odds: float = 0.0  # what it adds to the log-odds of a click, beside the impression's other values


class Known(NamedTuple):
    """What a row needs of a value: its smoothed CTR is `own + rest * prior`."""

    own: float
    rest: float
    log_odds: float


UNSEEN = Known(0.0, 1.0, 0.0)  # its CTR is the prior, and it adds nothing

Table = Mapping[Value, Known]


def known(totals: Totals, weight: float) -> Known:
    """What rows need of a value with these totals.

    Its CTR is drawn towards a prior as if it had `weight` more impressions with the prior's CTR: the posterior mean
    (clicks + weight * prior) / (impressions + weight) of a Beta(weight * prior, weight * (1 - prior)) prior after
    binomial clicks. The prior is the CTR of what the value is a part of, where that is known: of an ad's campaign, say.

    >>> own, rest, _ = known(Totals(3, 10), weight=10)
    >>> own + rest * 0.2
    0.25
    """
    total = totals.impressions + weight
    return Known(totals.clicks / total, weight / total, totals.log_odds)


def smoothed(clicks: int, impressions: int, prior: float, weight: float) -> float:
    """The smoothed CTR of a value, as rows have it.

    >>> smoothed(3, 10, prior=0.2, weight=10)
    0.25
    """
    own, rest, _ = known(Totals(clicks, impressions), weight)
    return own + rest * prior


def table(totals: Mapping[Value, Totals], weight: float) -> dict[Value, Known]:
    """The table that is served."""
    return {value: known(found, weight) for value, found in totals.items()}
