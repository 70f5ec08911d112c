"""The features in scikit-learn's conventions: its own checks as far as they apply, and the values of the trainer."""

import fakes
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_get_feature_names_out_error,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
)

from features.definition import FEATURE_NAMES
from schemas.impression import FIELDS
from trainer.build_features import build
from trainer.transformers import CtrTransformer, DeviceCountTransformer, UserCountTransformer

ALL = [DeviceCountTransformer(), UserCountTransformer(), CtrTransformer()]


def log(count: int = 200) -> pd.DataFrame:
    """A made-up labelled log."""
    rows = [{name: getattr(row, name) for name in (*FIELDS, "click")} for row in fakes.click_log(count)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("transformer", ALL, ids=lambda one: type(one).__name__)
def test_scikit_learns_own_checks_hold(transformer: object) -> None:
    """Those that give no bare numbers: impressions are frames with names, not matrices."""
    name = type(transformer).__name__
    check_parameters_default_constructible(name, transformer)
    check_no_attributes_set_in_init(name, transformer)
    check_get_feature_names_out_error(name, clone(transformer)) if name == "CtrTransformer" else None


@pytest.mark.parametrize("transformer", [DeviceCountTransformer(), UserCountTransformer()], ids=["device", "user"])
def test_counts_are_those_of_the_trainers_rows(transformer: DeviceCountTransformer) -> None:
    """fit_transform gives, under the same names, the columns that training and serving have; transform goes on."""
    frame = log()
    rows = build(frame, 99123123, 5.0).rows
    columns = [FEATURE_NAMES.index(name) for name in transformer.get_feature_names_out()]
    found = clone(transformer).fit_transform(frame)
    assert np.array_equal(found, rows[:, columns])
    assert found.any()
    fitted = clone(transformer).fit(frame[:120])
    for _ in range(2):  # the second call finds the transformer as the first did
        assert np.array_equal(fitted.transform(frame[120:]), found[120:])


def test_rates_are_causal_in_fit_transform_and_totals_in_transform() -> None:
    """Fields of tables that are drawn to the prior have the trainer's columns; later rows all that was learnt."""
    frame = log()
    fields = ["C20", "site_id", "device_model"]
    transformer = CtrTransformer(fields)
    rows = build(frame, 99123123, 5.0).rows
    found = transformer.fit_transform(frame, frame["click"])
    columns = [FEATURE_NAMES.index(name) for name in transformer.get_feature_names_out()]
    assert np.allclose(found, rows[:, columns], rtol=1e-6)
    alike = frame[frame["site_id"] == "site3"]
    expected = (alike["click"].sum() + 5 * transformer.prior_) / (len(alike) + 5)
    assert transformer.transform(alike)[:, 1] == pytest.approx(expected)
    unseen = alike.assign(site_id="never seen")
    assert transformer.transform(unseen)[:, 1] == pytest.approx(transformer.prior_)


def test_clicks_to_come_change_no_row() -> None:
    """Whatever the last hour's clicks are, fit_transform gives the same."""
    frame = log()
    other = frame["click"].where(frame["hour"] < frame["hour"].max(), 1 - frame["click"])
    assert np.array_equal(
        CtrTransformer().fit_transform(frame, frame["click"]), CtrTransformer().fit_transform(frame, other)
    )


def test_they_work_in_a_pipeline() -> None:
    """Side by side in front of a classifier, with names."""
    frame = log()
    features = make_column_transformer(
        (CtrTransformer(), ["hour", "site_id", "C14"]),
        (UserCountTransformer(), ["hour", "device_ip", "device_id", "device_model"]),
    )
    model = make_pipeline(features, LogisticRegression(max_iter=1000)).fit(frame, frame["click"])
    assert model.predict_proba(frame).shape == (200, 2)
    assert "usercounttransformer__user_count_1h" in model[:-1].get_feature_names_out()


def test_what_is_no_frame_of_impressions_is_refused() -> None:
    """The error says what was expected."""
    with pytest.raises(TypeError, match="expected a pandas DataFrame"):
        UserCountTransformer().fit([[1, 2]])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="missing: device_ip"):
        UserCountTransformer().fit(log().drop(columns="device_ip"))
    with pytest.raises(ValueError, match="200 rows and 3 clicks"):
        CtrTransformer().fit(log(), [0, 1, 0])
