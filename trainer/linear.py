"""Logistic regression over the values of the tables' fields, learnt in one pass.

FTRL-Proximal with per-value learning rates (McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches"),
without L1: a value is in the tables anyway.
"""

import numpy as np
import numpy.typing as npt

RATE = 0.1
SMOOTHING = 1.0  # the paper's beta
L2 = 2.0
DECIMALS = 6  # of log-odds: exp() differs between processors in its last bits, and equal logs must make equal tables
BATCH = 32  # impressions a step; their gradients are summed, so a step of many would overshoot


class Linear:
    """Log-odds that each value adds; values are numbered from 0 as they come up."""

    def __init__(self) -> None:
        self.log_odds = np.zeros(0)
        self._gradients = np.zeros(0)  # the paper's z
        self._squares = np.zeros(0)  # the paper's n

    def learn(self, values: npt.NDArray[np.int32], clicks: npt.NDArray[np.int8], prior: float, known: int) -> None:
        """Learn from impressions, in their order.

        Args:
            values: the numbers of each impression's values, shape (impressions, tables).
            clicks: 0 or 1, shape (impressions,).
            prior: the CTR whose log-odds a value's are added to.
            known: how many values are numbered.
        """
        self._grow(known)
        bias = np.log(prior / (1 - prior))
        for start in range(0, len(clicks), BATCH):
            self._step(values[start : start + BATCH], clicks[start : start + BATCH], bias)
        self.log_odds = self.log_odds.round(DECIMALS)

    def _step(self, values: npt.NDArray[np.int32], clicks: npt.NDArray[np.int8], bias: float) -> None:
        log_odds = self.log_odds
        errors = 1 / (1 + np.exp(-bias - log_odds[values].sum(axis=1))) - clicks
        found, places = np.unique(values.ravel(), return_inverse=True)
        spread = np.repeat(errors, values.shape[1])
        before = self._squares[found]
        squares = before + np.bincount(places, spread * spread)
        gradients = self._gradients[found] + np.bincount(places, spread)
        gradients -= (np.sqrt(squares) - np.sqrt(before)) / RATE * log_odds[found]
        self._gradients[found], self._squares[found] = gradients, squares
        log_odds[found] = -gradients / ((SMOOTHING + np.sqrt(squares)) / RATE + L2)

    def _grow(self, known: int) -> None:
        more = known - len(self.log_odds)
        self.log_odds, self._gradients, self._squares = (
            np.pad(array, (0, more)) for array in (self.log_odds, self._gradients, self._squares)
        )
