"""SHAP values: they add up to the score."""

import math

import fakes
import pytest

from features.definition import FEATURE_NAMES
from model.bundle import Bundle


@pytest.mark.parametrize("number", range(5))
def test_base_and_contributions_add_up_to_the_scores_log_odds(bundle_: Bundle, number: int) -> None:
    """One value a feature; their sum with the base is the log-odds of the probability."""
    row = bundle_.build(fakes.impression(site_id=f"site{number}", C14=number), (0, number, 0, 0, 3, 5))
    (click_proba,) = bundle_.predict([row])
    explanation = bundle_.explain(row)
    assert len(explanation.by_feature) == len(FEATURE_NAMES)
    log_odds = explanation.base + sum(explanation.by_feature)
    assert log_odds == pytest.approx(math.log(click_proba / (1 - click_proba)), abs=1e-5)
