"""Whether the store's counts are those of the topic."""

from collections.abc import Sequence

from features.keys import keys
from features.windows import State, observe
from replay.consume import Read
from schemas import hours, impression
from schemas.errors import DecodeError


def expected(impressions: Sequence[Read]) -> State:
    """The tiles after all impressions of a topic, broken messages left out; their order does not matter."""
    state: State = {}
    for record in impressions:
        try:
            shown = impression.decode(record.value)
        except DecodeError:
            continue
        observe(state, keys(shown), hours.index(shown.hour))
    return state


def differences(wanted: State, found: State) -> int:
    """How many tiles of `found` are not those of `wanted`, missing and surplus ones included."""
    return sum(
        wanted.get(key, {}).get(tile, 0) != found.get(key, {}).get(tile, 0)
        for key in wanted.keys() | found.keys()
        for tile in wanted.get(key, {}).keys() | found.get(key, {}).keys()
    )


def errors(impressions: Sequence[Read], found: State) -> int:
    """How many tiles of `found` are not what the impressions make them."""
    return differences(expected(impressions), found)
