"""The rows of many impressions at once."""

from collections.abc import Iterable
from itertools import chain, islice
from struct import Struct

import numpy as np
import numpy.typing as npt

from features.definition import FEATURE_NAMES, Build
from features.keys import keys
from features.windows import COUNT_NAMES, Counts, State, observe_hour
from schemas.impression import Impression

Rows = npt.NDArray[np.float32]  # shape (impressions, features)

_BLOCK = 4096  # impressions that are held at once
_pack = Struct(f"{len(FEATURE_NAMES)}f").pack
_UNCOUNTED = (0,) * len(COUNT_NAMES)
_COUNTS_AT = slice(FEATURE_NAMES.index(COUNT_NAMES[0]), FEATURE_NAMES.index(COUNT_NAMES[-1]) + 1)


def rows(build: Build, impressions: Iterable[Impression], counts: Iterable[Counts]) -> Rows:
    """A row for each impression."""
    made = uncounted_rows(build, impressions)
    fill_in(made, counts)
    return made


def uncounted_rows(build: Build, impressions: Iterable[Impression]) -> Rows:
    """The rows but for their counts, which are 0: these can be made while the counts are asked for."""
    # What numpy makes of lists, in half the time; of a bytearray, so that they can be written to.
    packed = bytearray().join([_pack(*build(shown, _UNCOUNTED)) for shown in impressions])
    return np.frombuffer(packed, dtype=np.float32).reshape(-1, len(FEATURE_NAMES))


def fill_in(made: Rows, counts: Iterable[Counts]) -> None:
    """Write each row's counts into it.

    Raises:
        ValueError: there are more or fewer counts than rows.
    """
    found = np.fromiter(chain.from_iterable(counts), dtype=np.float32)
    made[:, _COUNTS_AT] = found.reshape(len(made), len(COUNT_NAMES))


def observed_rows(build: Build, state: State, impressions: Iterable[Impression], hour: int) -> Rows:
    """A row for each impression of the hour with this index, in order; each is counted for those after it."""
    remaining = iter(impressions)
    blocks = []
    while block := list(islice(remaining, _BLOCK)):
        counts = observe_hour(state, [keys(shown) for shown in block], hour, None)
        blocks.append(rows(build, block, counts))
    return np.concatenate(blocks) if blocks else rows(build, (), ())
