"""How good click_proba is on real rows, beside what others would do: `make quality`.

Learns from the sample's first day, is judged on its second. Parameters were chosen on the first day; the design was not
made without looks at the second (docs/decisions/0008). Writes out/quality.json: our figures, their intervals, and the
same of each baseline.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model import bundle
from trainer import baselines, intervals, prepare
from trainer.build_features import build
from trainer.evaluate import predict_all
from trainer.quality import finite, quality
from trainer.train import train

SAMPLE = Path(__file__).parents[2] / "shared/data/avazu/sample.csv.gz"
TRAIN_UNTIL = 14102200
OUT = Path("out/quality.json")

# The table of the sample's README, as (logloss, normalised entropy, AUC).
REFERENCE = {
    "in-sample unsmoothed mean-CTR tables + CatBoost 50 x depth 5": (0.4115, 0.9351, 0.6955),
    "the same, 100 trees": (0.4097, 0.9310, 0.6978),
    "hashed logistic regression, single features": (0.3993, 0.9073, 0.7197),
    "CatBoost with native categorical features": (0.3992, 0.9071, 0.7221),
    "causal smoothed CTR tables + CatBoost, first untuned try": (0.4021, 0.9138, 0.7186),
}


def main() -> int:
    """Measure, show and write; without the sample, say so."""
    console = Console()
    if not SAMPLE.is_file():
        console.print(f"skipped: the sample of the Avazu log is not at ../{SAMPLE.relative_to(SAMPLE.parents[3])}")
        return 0
    log = prepare.read_log(SAMPLE)
    first_day, second_day = (log[part] for part in (log["hour"] < TRAIN_UNTIL, log["hour"] >= TRAIN_UNTIL))
    labels = second_day["click"].to_numpy(dtype=np.int8)
    figures = {"ours": _judged(labels, _ours(log))}
    for name, predict in track(baselines.BASELINES.items(), "Baselines", console=Console(stderr=True)):
        figures[name] = _judged(labels, predict(first_day, second_day))
    figures["leaky_random_split"] = _judged(*baselines.leaky(log))
    ours = figures.pop("ours")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(msgspec.json.format(msgspec.json.encode(ours | {"baselines": figures})) + b"\n")
    console.print(_table({"ours": ours} | figures))
    console.print(
        "Leakage is worth what lies between leaky_random_split, as is often reported, and in_sample_means, the same "
        f"model on a day to come. Written: {OUT}"
    )
    return 0


def _ours(log: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The bundle's own predictions of the second day, by the path that the stream and the API use."""
    with TemporaryDirectory() as folder:
        train(SAMPLE, TRAIN_UNTIL, Path(folder) / "bundle")
        served = bundle.load(Path(folder) / "bundle")
    rows = build(log, TRAIN_UNTIL, served.card.weight).between(TRAIN_UNTIL).rows
    return predict_all(served.predict, rows)


def _judged(clicks: npt.NDArray[np.int8], predictions: npt.NDArray[np.float64]) -> dict[str, Any]:
    sure = intervals.bootstrap(clicks, predictions)
    return finite(quality(clicks, predictions)) | {"intervals": sure._asdict()}


def _table(figures: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "", "logloss", "95 %", "NE", "AUC", "95 %", "calibration", title="Learnt 21 October, judged 22 October"
    )
    for name, found in figures.items():
        sure = found["intervals"]
        cells = [f"{found[key]:.4f}" for key in ("logloss", "normalized_entropy", "auc", "calibration_ratio")]
        spans = [f"{sure[key][0]:.4f} - {sure[key][1]:.4f}" for key in ("logloss", "auc")]
        table.add_row(name, cells[0], spans[0], cells[1], cells[2], spans[1], cells[3])
    table.add_section()
    for name, (logloss, entropy, auc) in REFERENCE.items():
        table.add_row(name, f"{logloss:.4f}", "", f"{entropy:.4f}", f"{auc:.4f}", "", "")
    return table


if __name__ == "__main__":
    sys.exit(main())
