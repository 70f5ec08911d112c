"""Lookup tables: smoothing, and the table that grows with what is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ctr import smoothed

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
    assert smoothed(clicks, impressions, prior, weight) == pytest.approx(expected, abs=1e-15)


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
