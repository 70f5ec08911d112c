"""The true click probabilities of a simulated log, which `ctr simulate --truth` writes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv


def read_truth(path: Path, ids: Sequence[str] | pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """The true probabilities of the impressions with these ids, in their order.

    Raises:
        ValueError: the file has not the columns id and true_proba, or lacks an id: it is of another log.
    """
    try:
        table = pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types={"id": pa.string()}))
        known, probas = table.column("id"), table.column("true_proba").to_numpy()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: {error}; expected what `ctr simulate --truth` writes") from None
    asked = ids if isinstance(ids, pa.ChunkedArray) else pa.chunked_array([pa.array(ids, pa.string())])
    places = pc.index_in(asked, value_set=known)
    if places.null_count:
        missing = asked.filter(pc.is_null(places))[0]
        raise ValueError(f"{path}: no row of the id {missing}; give the truth of this very log")
    return np.asarray(probas[places.to_numpy()], dtype=np.float64)
