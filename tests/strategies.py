"""Hypothesis strategies: impressions that collide, logs around the ends of days, and messages good and bad."""

import json
import math
from typing import Any

import fakes
from hypothesis import strategies as st

from replay.broken import KINDS
from schemas import hours
from schemas.impression import CODE_FIELDS, FIELDS, MAX_STRING, NULL_DEVICE_ID, STRING_FIELDS, Impression, encode

# Hours after which a day, a month, a year and a leap February end: windows of the next hours look back over the edge.
EDGES = tuple(hours.index(hour) for hour in (14102123, 14103123, 14123123, 16022823, 16022923))

# Few values, some of which run into each other when they are joined ('a' + 'bc' and 'ab' + 'c').
DEVICE_IPS = ("a", "ab", "abc", "1:a")
DEVICE_MODELS = ("c", "bc", "m")
DEVICE_IDS = ("", NULL_DEVICE_ID, "a", "d1")


def impressions(indices: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[Impression]:
    """Impressions of few devices, sites and codes, in hours of these indices; by default those at the edges."""
    few = st.sampled_from(("x", "y"))
    code = st.integers(-1, 2)
    drawn: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(STRING_FIELDS, few) | dict.fromkeys(CODE_FIELDS, code)
    drawn |= {
        "id": st.integers(0, 10**19).map(str),
        "hour": (st.sampled_from(EDGES) if indices is None else indices).map(hours.from_index),
        "device_id": st.sampled_from(DEVICE_IDS),
        "device_ip": st.sampled_from(DEVICE_IPS),
        "device_model": st.sampled_from(DEVICE_MODELS),
    }
    return st.builds(Impression, **drawn)


@st.composite
def hour_indices(draw: st.DrawFn, edge: int | None = None) -> int:
    """Hours near an edge: mostly close to it, some more than a window away."""
    near = st.one_of(st.integers(-2, 3), st.integers(-26, 50))
    return (draw(st.sampled_from(EDGES)) if edge is None else edge) + draw(near)


@st.composite
def sequences(draw: st.DrawFn, min_size: int = 0, max_size: int = 30) -> list[Impression]:
    """Impressions around one edge in any order of their hours: late ones, and repeated devices."""
    edge = draw(st.sampled_from(EDGES))
    return draw(st.lists(small_impressions(edge), min_size=min_size, max_size=max_size))


def small_impressions(edge: int) -> st.SearchStrategy[Impression]:
    """Impressions around one edge that differ only in what is counted; quick to draw."""
    return st.builds(
        lambda hour, device_id, device_ip, device_model: fakes.impression(
            hour=hours.from_index(hour), device_id=device_id, device_ip=device_ip, device_model=device_model
        ),
        hour_indices(edge),
        st.sampled_from(DEVICE_IDS),
        st.sampled_from(DEVICE_IPS),
        st.sampled_from(DEVICE_MODELS),
    )


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_STRING)
_CODE = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from((-(2**31), -1, 0, 2**31 - 1)))
_REAL_HOUR = st.integers(hours.index(10100), hours.index(99123123)).map(hours.from_index)


def wide_impressions() -> st.SearchStrategy[Impression]:
    """Every impression that the schema admits."""
    drawn: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(STRING_FIELDS, _TEXT) | dict.fromkeys(CODE_FIELDS, _CODE)
    return st.builds(Impression, **drawn | {"hour": _REAL_HOUR, "device_id": st.one_of(st.just(""), _TEXT)})


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((10**18, 2**63, 2**64, -(10**40), 10**400)),
    st.floats(),
    st.text(max_size=70),
    st.sampled_from(("\ud800", "7", "-1", "1.0", "1e9", "NaN", "inf", "", " 5", "0x10", "14102100", "9" * 100)),
)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
)


@st.composite
def json_objects(draw: st.DrawFn) -> bytes:
    """JSON objects that differ from an impression in some fields, each by a missing or an arbitrary value."""
    changes = st.dictionaries(st.sampled_from((*FIELDS, "click", "more")), _JSON, max_size=3)
    found: dict[str, Any] = fakes.fields() | draw(changes)
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=1)):
        del found[name]
    return json.dumps(found).encode()


def broken_values() -> st.SearchStrategy[bytes | None]:
    """Values of messages that are no impressions, of every kind in replay.broken."""
    return st.sampled_from([spoil(fakes.fields()) for _, spoil in KINDS.values()])


def values() -> st.SearchStrategy[bytes | None]:
    """Values of messages: impressions, broken ones, arbitrary bytes, arbitrary JSON."""
    good = impressions(hour_indices()).map(encode)
    return st.one_of(good, broken_values(), st.binary(max_size=40), json_objects(), _JSON.map(_dumped))


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def probabilities() -> st.SearchStrategy[float]:
    """Numbers strictly between 0 and 1."""
    return st.floats(math.nextafter(0, 1), math.nextafter(1, 0))
