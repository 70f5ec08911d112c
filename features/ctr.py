"""Lookup tables: the smoothed CTR of a value, or of a pair of values, of the impression's fields."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple, Protocol

Value = Hashable  # a field's value; a tuple of them for a table over several fields


class Lookup(Protocol):
    """What a row asks of a table: the smoothed CTR of a value, or the prior where the value was never seen."""

    def get(self, value: Value, prior: float, /) -> float:
        """The smoothed CTR of `value`, or `prior`."""
        ...


class Totals(NamedTuple):
    """What is known of a value."""

    clicks: int
    impressions: int


def smoothed(clicks: int, impressions: int, prior: float, weight: float) -> float:
    """The CTR of a value, drawn towards the prior as if it had `weight` more impressions with the prior's CTR.

    The posterior mean of a Beta(weight * prior, weight * (1 - prior)) prior after binomial clicks.

    >>> smoothed(3, 10, prior=0.2, weight=10)
    0.25
    """
    return (clicks + weight * prior) / (impressions + weight)


def lookup(totals: Mapping[Value, Totals], prior: float, weight: float) -> dict[Value, float]:
    """The finished table that is served."""
    return {value: smoothed(clicks, impressions, prior, weight) for value, (clicks, impressions) in totals.items()}


class CausalLookup:
    """A table that grows as the log is read: what it gives holds only clicks that were known at that time.

    Clicks are told by `learn`; the caller tells them when the hour in which they fell is over.
    """

    def __init__(self, weight: float) -> None:
        self.totals: dict[Value, Totals] = {}
        self._weight = weight

    def get(self, value: Value, prior: float, /) -> float:
        """The smoothed CTR of `value` as known now, or `prior`."""
        found = self.totals.get(value)
        return prior if found is None else smoothed(found[0], found[1], prior, self._weight)

    def learn(self, value: Value, clicks: int, impressions: int) -> None:
        """Add what became known of a value."""
        before = self.totals.get(value, (0, 0))
        self.totals[value] = Totals(before[0] + clicks, before[1] + impressions)
