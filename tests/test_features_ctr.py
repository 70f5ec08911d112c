"""Lookup tables: smoothing, and the table that grows with what is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ctr import CausalLookup, Totals, lookup, smoothed

WEIGHTS = st.floats(0.1, 1000)
PRIORS = st.floats(1e-6, 1 - 1e-6)


@pytest.mark.parametrize(
    ("clicks", "impressions", "prior", "weight", "expected"),
    [
        (0, 0, 0.25, 10.0, 0.25),  # nothing known: the prior
        (0, 10, 0.5, 10.0, 0.25),  # half known, never clicked
        (10, 10, 0.5, 10.0, 0.75),  # half known, always clicked
        (3, 10, 0.2, 10.0, 0.25),
        (1, 4, 0.9, 0.0, 0.25),  # no smoothing
        (0, 7, 0.0, 20.0, 0.0),
        (7, 7, 1.0, 20.0, 1.0),
    ],
)
def test_the_smoothed_rate_by_hand(clicks: int, impressions: int, prior: float, weight: float, expected: float) -> None:
    """(clicks + weight * prior) / (impressions + weight)."""
    assert smoothed(clicks, impressions, prior, weight) == expected


@given(st.data(), st.integers(0, 10**9), PRIORS, WEIGHTS)
def test_the_smoothed_rate_lies_between_the_prior_and_the_raw_rate(
    data: st.DataObject, impressions: int, prior: float, weight: float
) -> None:
    """Smoothing moves the raw rate towards the prior and not beyond."""
    clicks = data.draw(st.integers(0, impressions))
    raw = clicks / impressions if impressions else prior
    rate = smoothed(clicks, impressions, prior, weight)
    assert min(raw, prior) * (1 - 1e-12) <= rate <= max(raw, prior) * (1 + 1e-12)


@given(PRIORS, WEIGHTS)
def test_evidence_wins_in_the_end(prior: float, weight: float) -> None:
    """With ten thousand times the weight in impressions, the rate is the raw rate."""
    impressions = math.ceil(weight * 10_000)
    assert smoothed(impressions // 2, impressions, prior, weight) == pytest.approx(0.5, abs=1e-2)


EVENTS = st.lists(
    st.tuples(st.sampled_from((1, 2, "1", ("s", 1), ("s", 2))), st.integers(0, 3), st.integers(0, 3)), max_size=20
)


@given(EVENTS, PRIORS, WEIGHTS)
def test_a_causal_lookup_knows_exactly_what_it_was_told(
    events: list[tuple[object, int, int]], prior: float, weight: float
) -> None:
    """At every step each value has the rate of what was told of it so far, and the unseen ones the prior."""
    table = CausalLookup(weight)
    told: list[tuple[object, int, int]] = []
    for value, clicks, unclicked in [*events, ("last", 0, 0)]:
        for asked in (1, 2, "1", ("s", 1), ("s", 2), "never"):
            about = [(c, n) for v, c, n in told if v == asked and type(v) is type(asked)]
            expected = smoothed(sum(c for c, _ in about), sum(n for _, n in about), prior, weight) if about else prior
            assert table.get(asked, prior) == expected  # type: ignore[arg-type]
        table.learn(value, clicks, clicks + unclicked)  # type: ignore[arg-type]
        told.append((value, clicks, clicks + unclicked))


@given(EVENTS, PRIORS, WEIGHTS)
def test_the_finished_table_is_the_causal_one_frozen(
    events: list[tuple[object, int, int]], prior: float, weight: float
) -> None:
    """lookup(totals) gives, bit for bit, what the causal table gives when all is known."""
    table = CausalLookup(weight)
    for value, clicks, unclicked in events:
        table.learn(value, clicks, clicks + unclicked)  # type: ignore[arg-type]
    finished = lookup(table.totals, prior, weight)
    assert finished.keys() == table.totals.keys()
    assert all(finished.get(value, prior) == table.get(value, prior) for value in [*table.totals, "never"])


def test_asking_does_not_teach() -> None:
    """A value that was only asked for is still unseen, and no entry is made for it."""
    table = CausalLookup(10.0)
    assert table.get("x", 0.3) == 0.3
    assert table.totals == {}
    table.learn("x", 1, 2)
    assert table.totals == {"x": Totals(1, 2)}
