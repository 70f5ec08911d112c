"""What others would do: none of them sees the test's clicks, but for the leaky one."""

import fakes
import numpy as np
import pandas as pd
import pytest

from schemas.impression import FIELDS
from trainer import baselines

LOG = pd.DataFrame([{name: getattr(row, name) for name in (*FIELDS, "click")} for row in fakes.click_log(400)])
TRAIN, TEST = LOG[:250], LOG[250:]


@pytest.mark.parametrize("name", ["prior", "hashed_logistic_regression", "in_sample_means"])
def test_a_baseline_predicts_without_the_tests_clicks(name: str) -> None:
    """One probability a row, the same whatever the test's clicks are."""
    predict = baselines.BASELINES[name]
    found = predict(TRAIN, TEST)
    assert found.shape == (150,)
    assert ((found > 0) & (found < 1)).all()
    assert np.array_equal(found, predict(TRAIN, TEST.assign(click=1 - TEST["click"])))


def test_leakage_is_what_makes_the_leaky_one_good() -> None:
    """With clicks that nothing predicts, an honest judgement finds nothing and the leaky one finds much."""
    noise = LOG.assign(click=np.random.default_rng(0).integers(0, 2, 400), C14=np.arange(400) // 2)
    clicks, leaky = baselines.leaky(noise)
    honest = baselines.in_sample_means(noise[:250], noise[250:])
    apart = leaky[clicks == 1].mean() - leaky[clicks == 0].mean()
    truth = noise["click"].to_numpy()[250:]
    assert apart > 0.2 > abs(honest[truth == 1].mean() - honest[truth == 0].mean())
