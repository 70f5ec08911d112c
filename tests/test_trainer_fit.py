"""Fitting: reproducible, told of progress, and refusing what can not be learnt from."""

from pathlib import Path

import numpy as np
import pytest

from features.definition import FEATURE_NAMES
from model.explain import explainer
from model.predict import LINEAR, predictor
from trainer.fit import FitParameters, fit, learning_rate

SMALL = FitParameters(iterations=8, depth=3)


def made_up(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which the first feature decides the click, more or less."""
    draw = np.random.default_rng(seed)
    rows = draw.random((count, len(FEATURE_NAMES)), dtype=np.float32)
    return rows, (rows[:, 0] + 0.2 * draw.standard_normal(count) > 0.6).astype(np.int8)


def test_equal_arguments_give_an_equal_file(tmp_path: Path) -> None:
    """Byte for byte, so that a bundle's hash says what it was trained with; another seed gives another file."""
    rows, clicks = made_up()
    parameters = [SMALL, SMALL, FitParameters(iterations=8, depth=3, seed=1)]
    for number, one in enumerate(parameters):
        fit(rows, clicks, one).save_model(str(tmp_path / str(number)))
    first, second, other = [(tmp_path / str(number)).read_bytes() for number in range(3)]
    assert first == second
    assert first != other


def test_the_model_knows_the_features_names_and_learns() -> None:
    """Features are named, and the one that decides is the most important."""
    model = fit(*made_up(), SMALL)
    assert tuple(model.feature_names_) == FEATURE_NAMES
    assert np.argmax(model.get_feature_importance()) == 0
    assert model.tree_count_ == 8


def test_what_is_predicted_of_the_training_rows_sums_to_their_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However biased the linear model is that the trees are mixed with; and over chunks of rows as over all at once."""
    monkeypatch.setattr("trainer.fit._AT_ONCE", 150)
    rows, clicks = made_up()
    rows[:, LINEAR] -= 3
    found = predictor(fit(rows, clicks, SMALL))(rows)
    assert sum(found) == pytest.approx(clicks.sum(), rel=1e-9)


def test_progress_is_told_tree_by_tree() -> None:
    """Each finished tree is reported."""
    told: list[int] = []
    fit(*made_up(), SMALL, told.append)
    assert told == [1] * 8


def test_nothing_is_written_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CatBoost leaves no catboost_info where the command was started."""
    monkeypatch.chdir(tmp_path)
    fit(*made_up(), SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clicks", [[], [0, 0, 0], [1, 1]])
def test_what_can_not_be_learnt_from_is_refused(clicks: list[int]) -> None:
    """No rows, or clicks that are all the same, are an error that says what to do."""
    rows = np.zeros((len(clicks), len(FEATURE_NAMES)), dtype=np.float32)
    with pytest.raises(ValueError, match=f"got {len(clicks)} rows of one kind; train on more hours"):
        fit(rows, np.array(clicks, dtype=np.int8), SMALL)


@pytest.mark.parametrize(("enough", "seen"), [(400, True), (401, False)])
def test_trees_see_the_linear_model_where_there_are_enough_impressions(
    monkeypatch: pytest.MonkeyPatch, enough: int, seen: bool
) -> None:
    """Of fewer, its log-odds are noise in most rows; either way an explanation adds up to the score."""
    monkeypatch.setattr("trainer.fit.LINEAR_SEEN_FROM", enough)
    rows, _ = made_up()
    model = fit(rows, (rows[:, LINEAR] > 0.6).astype(np.int8), SMALL)
    assert (model.get_feature_importance()[LINEAR] > 50) == seen
    (proba,) = predictor(model)(rows[:1])
    explanation = explainer(model)(rows[0].tolist())
    assert explanation.base + sum(explanation.by_feature) == pytest.approx(np.log(proba / (1 - proba)), abs=1e-5)


def test_more_impressions_bear_larger_steps() -> None:
    """Sixteen times 15,000 impressions have twice the learning rate, fewer than 15,000 the one that is given."""
    assert learning_rate(0.026, 240_000) == pytest.approx(0.052)
    assert learning_rate(0.026, 400) == 0.026
