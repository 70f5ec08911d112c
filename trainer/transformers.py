"""The features as scikit-learn transformers, for notebooks: thin over `features`, the same values as in serving.

`fit_transform` is causal: a row gets what was known before it. `transform` continues from, or looks up, what `fit` has
learnt. Frames hold the fields of impressions, in time order; `hour` is YYMMDDHH.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from features import keys, windows
from features.ctr import Totals, smoothed
from features.windows import State
from schemas import hours, impression
from schemas.impression import Impression

Matrix = npt.NDArray[np.float64]
# What the counts of an entity depend on; the other fields of an impression may be absent.
_DEVICE_FIELDS = ("hour", "device_ip", "device_id", "device_model")


class _CountTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn asks for inheritance
    """Counts of an entity's previous impressions, by window, this one excluded."""

    _entities: tuple[str, ...] = ()

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: N803
        """Count the impressions."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: object = None) -> Matrix:  # noqa: N803
        """The counts of each impression, from empty ones; what is counted stays for `transform`."""
        frame = _frame(X, _DEVICE_FIELDS)
        self.n_features_in_ = frame.shape[1]
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.state_: State = {}
        return self._counted(frame, self.state_)

    def transform(self, X: pd.DataFrame) -> Matrix:  # noqa: N803
        """The counts of impressions that come after those of `fit`; the transformer stays as it was."""
        check_is_fitted(self)
        return self._counted(_frame(X, _DEVICE_FIELDS), {key: dict(tiles) for key, tiles in self.state_.items()})

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """The names that the row has for these counts."""
        return np.array([windows.COUNT_NAMES[position] for position in self._positions()], dtype=object)

    def _positions(self) -> list[int]:
        names = [f"{entity}_count_{window}" for entity in self._entities for window in windows.WINDOWS]
        return [windows.COUNT_NAMES.index(name) for name in names]

    def _counted(self, frame: pd.DataFrame, state: State) -> Matrix:
        found = [windows.observe(state, keys.keys(shown), hours.index(shown.hour)) for shown in _devices(frame)]
        counts = np.array(found, dtype=np.float64).reshape(-1, len(windows.COUNT_NAMES))
        return counts[:, self._positions()]


class DeviceCountTransformer(_CountTransformer):
    """Previous impressions of the device's address and of its id."""

    _entities = ("device_ip", "device_id")


class UserCountTransformer(_CountTransformer):
    """Previous impressions of the user: the device id where it is real, else address and model."""

    _entities = ("user",)


class CtrTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The smoothed CTR of the values of fields, each field by itself.

    Args:
        fields: which; None for all columns but `hour`.
        weight: impressions that the prior is worth.
    """

    def __init__(self, fields: Sequence[str] | None = None, weight: float = 5.0) -> None:
        self.fields = fields
        self.weight = weight

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn the totals of every value."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: npt.ArrayLike) -> Matrix:  # noqa: N803
        """Each row's CTRs from the clicks of the hours before its own; without `hour`, of the rows before it."""
        frame, clicks = _frame(X, ()), np.asarray(y, dtype=np.int64)
        if len(frame) != len(clicks):
            raise ValueError(f"expected a click a row, got {len(frame)} rows and {len(clicks)} clicks")
        self.n_features_in_ = frame.shape[1]
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.fields_ = list(self.fields) if self.fields is not None else [c for c in frame.columns if c != "hour"]
        self.totals_: dict[str, dict[Any, Totals]] = {field: {} for field in self.fields_}
        self.prior_ = 0.5
        rates = np.empty((len(frame), len(self.fields_)))
        moments = frame["hour"].to_numpy() if "hour" in frame else np.arange(len(frame))
        learnt = [0, 0]
        for start, stop in _runs(moments):
            part = frame.iloc[start:stop]
            rates[start:stop] = self._rates(part)
            self._learn(part, clicks[start:stop])
            learnt = [learnt[0] + int(clicks[start:stop].sum()), learnt[1] + stop - start]
            self.prior_ = (learnt[0] + 1) / (learnt[1] + 2)
        return rates

    def transform(self, X: pd.DataFrame) -> Matrix:  # noqa: N803
        """Each row's CTRs from all that `fit` has learnt; unseen values have the prior."""
        check_is_fitted(self)
        return self._rates(_frame(X, ()))

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """The names that the row has for these CTRs."""
        check_is_fitted(self)
        return np.array([f"ctr_{field}" for field in self.fields_], dtype=object)

    def _rates(self, frame: pd.DataFrame) -> Matrix:
        columns = [self._of(self.totals_[field], frame[field].tolist()) for field in self.fields_]
        return np.array(columns, dtype=np.float64).reshape(len(self.fields_), len(frame)).T

    def _of(self, totals: dict[Any, Totals], values: list[Any]) -> list[float]:
        nothing = Totals(0, 0)
        found = (totals.get(value, nothing) for value in values)
        return [smoothed(one.clicks, one.impressions, self.prior_, self.weight) for one in found]

    def _learn(self, frame: pd.DataFrame, clicks: npt.NDArray[np.int64]) -> None:
        for field in self.fields_:
            totals = self.totals_[field]
            for value, click in zip(frame[field].tolist(), clicks.tolist(), strict=True):
                before = totals.get(value, Totals(0, 0))
                totals[value] = Totals(before.clicks + click, before.impressions + 1)


def _frame(given: pd.DataFrame, needed: Sequence[str]) -> pd.DataFrame:
    if not isinstance(given, pd.DataFrame):
        raise TypeError(f"expected a pandas DataFrame with the fields of impressions, got {type(given).__name__}")
    missing = [name for name in needed if name not in given.columns]
    if missing:
        raise ValueError(f"expected the columns {', '.join(needed)}; missing: {', '.join(missing)}")
    return given


def _devices(frame: pd.DataFrame) -> list[Impression]:
    """Impressions with the frame's devices; what no key is made of is made up."""
    blank: dict[str, Any] = {name: 0 if name in impression.CODE_FIELDS else "-" for name in impression.FIELDS}
    columns = [frame[name].tolist() for name in _DEVICE_FIELDS]
    rows = (dict(zip(_DEVICE_FIELDS, row, strict=True)) for row in zip(*columns, strict=True))
    return [Impression(**(blank | row)) for row in rows]


def _runs(moments: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Where each run of equal moments starts and stops."""
    starts = np.flatnonzero(np.r_[True, moments[1:] != moments[:-1]]).tolist() if len(moments) else []
    return list(zip(starts, [*starts[1:], len(moments)], strict=True))
