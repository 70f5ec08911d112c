"""Samples: impressions of values that the bundle knows."""

from pathlib import Path

from features.definition import TABLES
from features.windows import COUNT_NAMES
from model import bundle
from model.bundle import Bundle
from model.samples import samples

SINGLE = {fields[0]: table for table, fields in TABLES.items() if len(fields) == 1}


def test_samples_are_of_the_last_hour_and_differ(bundle_folder: Path, bundle_: Bundle) -> None:
    """Every sample is an impression of its own, in the last hour that was trained on."""
    found = samples(bundle_folder, bundle.verify(bundle_folder))
    assert len({one.name for one in found}) == len(found) >= 3
    assert len({one.impression for one in found}) == len(found)
    assert {one.impression.hour for one in found} == {bundle_.card.trained_through}


def test_known_values_are_known_and_unknown_ones_are_not(bundle_folder: Path, bundle_: Bundle) -> None:
    """All but the last sample are made of values with a CTR of their own, the last of none."""
    *known, unknown = samples(bundle_folder, bundle_.card)
    for one in known:
        assert all(getattr(one.impression, field) in bundle_.tables[table] for field, table in SINGLE.items())
    assert not any(getattr(unknown.impression, field) in bundle_.tables[table] for field, table in SINGLE.items())


def test_often_clicked_values_score_higher_than_rarely_clicked_ones(bundle_folder: Path, bundle_: Bundle) -> None:
    """The made-up log's clicks rise with the site's number: the samples tell them apart."""
    by_name = {one.name: one.impression for one in samples(bundle_folder, bundle_.card)}
    often, rarely = by_name["Values that are clicked often"], by_name["Values that are clicked rarely"]
    assert often.site_id > rarely.site_id
    (high,), (low,) = (bundle_.predict([bundle_.build(one, (0,) * len(COUNT_NAMES))]) for one in (often, rarely))
    assert high > low


def test_the_values_of_a_sample_go_together(bundle_folder: Path, bundle_: Bundle) -> None:
    """The pairs of the first table over several fields were seen together."""
    table = max(TABLES, key=lambda name: len(TABLES[name]))
    for one in samples(bundle_folder, bundle_.card)[:-1]:
        assert tuple(getattr(one.impression, field) for field in TABLES[table]) in bundle_.tables[table]
