"""What contenders do alike."""

import fakes

from benchmarks.contenders import scoring
from schemas import hours
from schemas.impression import NULL_DEVICE_ID


def test_distinct_keys_are_asked_for_once_an_impression() -> None:
    """A user who is the device shares its name; a null device is not counted."""
    known, unknown = fakes.impression(), fakes.impression(device_id=NULL_DEVICE_ID)
    asked = scoring.wanted("p:", [known, unknown])
    assert asked.names == ["p:iaddress1", "p:ddevice01", "p:iaddress1", "p:u8:address1model001"]
    assert asked.hours == [hours.index(known.hour)] * 4


def test_answers_reach_the_entities_that_asked() -> None:
    """Two numbers a name, handed out again in the order of COUNT_NAMES."""
    asked = scoring.wanted("", [fakes.impression(), fakes.impression(device_id="")])
    assert scoring.counts_of(asked, [1, 2, 3, 4, 5, 6, 7, 8]) == [(1, 2, 3, 4, 3, 4), (5, 6, 0, 0, 7, 8)]


def test_a_pipelines_replies_are_summed_to_windows() -> None:
    """Impressions of the hour and of the 24 that end in it, without the one that was just counted."""
    asked = scoring.Wanted([], ["a", "b"], [100, 100])
    tiles = [{b"100": b"3", b"77": b"4", b"76": b"9"}, {b"100": b"1", b"101": b"5"}]
    assert scoring.windows_of(asked, [3, True, tiles[0], 1, True, tiles[1]]) == [2, 6, 0, 0]
