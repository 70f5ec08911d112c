"""Judge a fitted model on the hours that it has not learnt from.

evaluation/
  quality.json      figures of merit on the test hours; empty where there are none
  predictions.npy   float64, one a row of the test hours
"""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from model.predict import Predict, predictor
from trainer import build_features, curves, fit
from trainer.quality import Quality, finite, quality
from trainer.stage import Advance, folder_of, quiet

CARD = "quality.json"
_BLOCK = 100_000  # rows predicted at a time
_DECIMALS = 12  # the last bits are the processor's; without them equal bundles are judged alike on all machines


def evaluate(features: Path, fitted: Path, out: Path, progress: Advance = quiet) -> Quality | None:
    """Judge a fitted model on the hours from `train_until` on; None where the log ends before it.

    Args:
        features: a folder of `build_features`.
        fitted: a folder of `fit`.
        out: appears when it is complete.
        progress: told of the rows predicted.
    """
    made, built = build_features.read(features)
    _, model = fit.read(fitted)
    test = built.between(made.train_until)
    predictions = predict_all(predictor(model), test.rows, progress)
    found = quality(test.clicks, predictions) if len(test.hours) else None
    with folder_of(out) as part:
        np.save(part / "predictions.npy", predictions)
        curves.write(part, test, predictions)
        (part / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(finite(found) if found else {})) + b"\n")
    return found


def predict_all(predict: Predict, rows: npt.NDArray[np.float32], progress: Advance = quiet) -> npt.NDArray[np.float64]:
    """The probabilities of any number of rows, a block at a time, without the bits that are the processor's."""
    predictions = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        predictions[start : start + len(block)] = predict(block)
        progress(len(block))
    return predictions.round(_DECIMALS)
