"""Plots of how good probabilities are."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

BINS = 15


def calibration(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64], title: str, out: Path) -> None:
    """Save the figure of `calibration_figure` as a PNG."""
    calibration_figure(clicks, predictions, title).savefig(out, dpi=120)


def calibration_figure(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64], title: str) -> Figure:
    """In bins of equally many impressions, the mean prediction against the share that was clicked.

    Args:
        clicks: 0 or 1, shape (impressions,).
        predictions: click probabilities, shape (impressions,).
        title: what is shown.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    reliability, spread = figure.subplots(1, 2)
    bins = np.array_split(np.argsort(predictions, kind="stable"), min(BINS, len(predictions)))
    mean = np.array([predictions[rows].mean() for rows in bins])
    share = np.array([clicks[rows].mean() for rows in bins])
    error = 1.96 * np.sqrt(share * (1 - share) / [len(rows) for rows in bins])
    top = float(max(mean.max(), (share + error).max())) * 1.05
    reliability.plot([0, top], [0, top], color="0.7", linewidth=1, label="perfect")
    reliability.errorbar(mean, share, yerr=error, fmt="o", markersize=4, capsize=2, label="measured, 95 % interval")
    reliability.set(xlabel="mean click_proba", ylabel="share clicked", title=title, xlim=(0, top), ylim=(0, top))
    reliability.legend(loc="upper left", frameon=False)
    spread.hist(predictions, bins=50, color="0.4")
    spread.axvline(float(clicks.mean()), color="C1", label="CTR")
    spread.set(xlabel="click_proba", ylabel="impressions", title="Spread of the scores")
    spread.legend(loc="upper right", frameon=False)
    return figure
