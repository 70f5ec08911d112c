"""An evaluation for people: one HTML file with figures, intervals and plots, which needs nothing beside it."""

import base64
import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from jinja2 import Environment
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from features.definition import FEATURE_NAMES
from trainer import intervals, plots
from trainer.intervals import Interval
from trainer.quality import Quality, quality, row_losses

_NULL_APP = "ecad2386"  # of impressions on sites
_RESAMPLES = 200


class Part(NamedTuple):
    """Figures of a part of the impressions."""

    name: str
    quality: Quality
    logloss: Interval
    calibration_ratio: Interval
    truth_logloss: float | None  # of the true probabilities, where they are known

    @property
    def excess(self) -> float | None:
        """How much more than the truth's the logloss is, as a share of the truth's; the least possible is about 0."""
        return self.quality.logloss / self.truth_logloss - 1 if self.truth_logloss else None


def parts(
    impressions: pa.Table,
    rows: npt.NDArray[np.float32],
    clicks: npt.NDArray[np.int8],
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64] | None = None,
) -> dict[str, list[Part]]:
    """The figures by day, page, position, device and hour; the first is of all impressions.

    Args:
        impressions: what was shown, with the fields of an impression.
        rows: their rows.
        clicks: 0 or 1.
        scores: their click_proba.
        truth: their true click probability; only a simulated log has one.
    """
    return {
        title: [
            _part(name, clicks[chosen], scores[chosen], None if truth is None else truth[chosen])
            for name, chosen in cuts
        ]
        for title, cuts in _cuts(impressions, rows).items()
    }


def html(
    title: str, found: dict[str, list[Part]], clicks: npt.NDArray[np.int8], scores: npt.NDArray[np.float64]
) -> str:
    """The report's text."""
    environment = Environment(autoescape=True)
    environment.filters["interval"] = _shown
    figures = [_embedded(plots.calibration_figure(clicks, scores, "Calibration")), _embedded(_roc(clicks, scores))]
    figures += [_embedded(_bars(name, of)) for name, of in found.items() if len(of) > 1]
    return environment.from_string(_TEMPLATE).render(title=title, found=found, figures=figures)


def _shown(span: Interval) -> str:
    """An interval; a bootstrap of a few clicks has samples without any, and then no bounds."""
    return f"{span[0]:.4f} - {span[1]:.4f}" if np.isfinite(span).all() else "too few"


def _part(
    name: str,
    clicks: npt.NDArray[np.int8],
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64] | None,
) -> Part:
    sure = intervals.bootstrap(clicks, scores, resamples=_RESAMPLES)
    least = None if truth is None else float(row_losses(clicks, truth).mean())
    return Part(name, quality(clicks, scores), sure.logloss, sure.calibration_ratio, least)


Cut = Iterator[tuple[str, npt.NDArray[np.bool_]]]


def _cuts(impressions: pa.Table, rows: npt.NDArray[np.float32]) -> dict[str, Cut]:
    hour = impressions.column("hour").to_numpy()
    on_site = np.array(impressions.column("app_id").to_pylist()) == _NULL_APP
    cold = rows[:, FEATURE_NAMES.index("device_ip_count_24h")] == 0
    return {
        "All": _by("all", np.zeros(len(hour), dtype=int)),
        "Day": _by("", hour // 100),
        "Page": _by("", np.where(on_site, "site", "app")),
        "Position": _by("banner_pos", impressions.column("banner_pos").to_numpy()),
        "Device (address) in the last 24 hours": _by("", np.where(cold, "cold: not seen", "warm: seen")),
        "Hour of the day": _by("hour", hour % 100),
    }


def _by(name: str, values: npt.NDArray[np.generic]) -> Cut:
    for value in np.unique(values):
        yield (f"{name} {value}".strip() if name != "all" else "all impressions"), values == value


def _roc(clicks: npt.NDArray[np.int8], scores: npt.NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.subplots()
    if 0 < clicks.sum() < len(clicks):
        false, true, _ = roc_curve(clicks, scores)
        axes.plot(false, true)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.set(xlabel="share of unclicked above", ylabel="share of clicked above", title="ROC")
    return figure


def _bars(name: str, found: list[Part]) -> Figure:
    """Calibration ratio a part, with its interval."""
    figure = Figure(figsize=(9, 1 + 0.28 * len(found)), layout="constrained")
    axes = figure.subplots()
    ratio = np.array([part.quality.calibration_ratio for part in found])
    spans = np.array([part.calibration_ratio for part in found])
    axes.errorbar(
        ratio, range(len(found)), xerr=np.abs(spans.T - ratio).clip(0), fmt="o", markersize=4, capsize=2, color="C0"
    )
    axes.axvline(1, color="0.7", linewidth=1)
    axes.set_yticks(range(len(found)), [part.name for part in found])
    axes.invert_yaxis()
    axes.set(xlabel="sum of click_proba / clicks, 95 % interval", title=f"Calibration by {name.lower()}")
    return figure


def _embedded(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } td, th { padding: .15rem .7rem; text-align: right }
td, th { white-space: nowrap }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f4f4f4 } img { max-width: 100% }
</style>
<h1>{{ title }}</h1>
{% for name, of in found.items() %}
<h2>{{ name }}</h2>
<table><tr><th></th><th>impressions</th><th>clicks</th><th>logloss</th><th>95 %</th><th>NE</th><th>AUC</th>
<th>calibration</th><th>95 %</th><th>ECE</th>
{% if of[0].excess is not none %}<th>of the truth</th><th>excess</th>{% endif %}</tr>
{% for part in of %}<tr><td>{{ part.name }}</td><td>{{ "{:,}".format(part.quality.impressions) }}</td>
<td>{{ "{:,}".format(part.quality.clicks) }}</td><td>{{ "%.4f" % part.quality.logloss }}</td>
<td>{{ part.logloss | interval }}</td><td>{{ "%.4f" % part.quality.normalized_entropy }}</td>
<td>{{ "%.4f" % part.quality.auc }}</td><td>{{ "%.3f" % part.quality.calibration_ratio }}</td>
<td>{{ part.calibration_ratio | interval }}</td><td>{{ "%.4f" % part.quality.expected_calibration_error }}</td>
{% if part.excess is not none %}<td>{{ "%.4f" % part.truth_logloss }}</td>
<td>{{ "%.2f" % (100 * part.excess) }} %</td>{% endif %}</tr>
{% endfor %}</table>
{% endfor %}
{% for figure in figures %}<p><img alt="plot" src="data:image/png;base64,{{ figure }}"></p>{% endfor %}
</html>
"""
