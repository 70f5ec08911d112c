"""How far a worker is behind, and what left the topic unscored."""

import logging

import pytest

from stream import lag, metrics
from stream.lag import Gauges, Place

TP = ("impressions", 3)


def shown(made: metrics.Metrics) -> dict[str, float]:
    """The samples of the lag by name."""
    return {
        sample.name: sample.value
        for family in made.registry.collect()
        for sample in family.samples
        if sample.labels.get("partition") == "3" or sample.name == "ctr_gone_impressions_total"
    }


def test_lag_age_and_fence_are_shown() -> None:
    """Messages not committed, the age of a committed offset that does not move, and what Redis is ahead of it."""
    now, made = [100.0], metrics.make()
    gauges = Gauges(made, lambda: {TP: 70}, lambda: now[0])
    gauges.show({TP: Place(0, 90, 50)})
    now[0] += 8
    gauges.show({TP: Place(0, 95, 50)})
    assert shown(made) == {
        "ctr_lag_impressions": 45,
        "ctr_committed_age_seconds": 8,
        "ctr_fence_lag_impressions": 20,
    }
    gauges.show({TP: Place(0, 95, 60)})
    assert shown(made)["ctr_committed_age_seconds"] == 0


def test_who_has_nothing_to_do_is_not_late() -> None:
    """A partition without lag has no age, however long its committed offset stands."""
    now, made = [100.0], metrics.make()
    gauges = Gauges(made, dict, lambda: now[0])
    for _ in range(3):
        gauges.show({TP: Place(0, 50, 50)})
        now[0] += 100
    assert shown(made)["ctr_committed_age_seconds"] == 0


def test_a_partition_that_went_elsewhere_is_no_longer_shown() -> None:
    """Its gauges are removed, so that nobody adds up what two workers say of it."""
    made = metrics.make()
    gauges = Gauges(made, dict)
    gauges.show({TP: Place(0, 90, 50)})
    gauges.show({})
    assert shown(made) == {}


def test_what_left_the_topic_unscored_is_said_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    """Retention that overtakes a worker loses impressions: one error line names the offsets, a metric counts them."""
    made = metrics.make()
    gauges = Gauges(made, dict)
    with caplog.at_level(logging.ERROR, "stream.lag"):
        gauges.show({TP: Place(60, 90, 50)})
        gauges.show({TP: Place(60, 90, 50)})
    assert shown(made)["ctr_gone_impressions_total"] == 10
    (line,) = caplog.records
    assert "impressions/3: offsets 50..59" in line.getMessage()


def test_a_broker_that_does_not_answer_gives_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer there is nothing to say of any partition."""
    monkeypatch.setattr(lag, "_BROKER_SECONDS", 0.05)
    client = lag.client({"bootstrap.servers": "127.0.0.1:1"}, "group")
    assert lag.places(client, [TP]) is None
    client.close()
