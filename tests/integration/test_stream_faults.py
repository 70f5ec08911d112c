"""Nothing lost and nothing counted twice while things die."""

import asyncio
import json
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from system import PARTITIONS, System, deploy, eventually, worker

from features.windows import State
from local.stack import External, Stack
from replay import counts
from replay.log import Message
from replay.verify import Report
from store.client import connect
from store.dump import dump
from store.settings import StoreSettings
from stream import lag, watchdog

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _own_redis(system: System) -> None:
    if isinstance(system.stack.redis, External):
        pytest.skip("an external Redis is not ours to kill or to empty")


def state_of(system: System) -> State:
    """All counts in Redis."""
    settings = StoreSettings(redis_url=system.stack.redis_url, store_namespace=system.deployment.name)

    async def read() -> State:
        client = connect(settings)
        try:
            return await dump(client, settings)
        finally:
            await client.aclose()

    return asyncio.run(read())


def count_errors(system: System) -> int:
    """Tiles in Redis that are not what the topic makes them."""
    return counts.errors(system.everything(system.impressions_topic), state_of(system))


def scored_through(system: System, rows: list[Message], rate: float, *faults: object) -> Report:
    """Produce at a rate with two workers; each fault, a function, is done after a further part is scored."""
    producing = threading.Thread(target=system.produce, args=(rows, rate))
    with worker(system) as one, worker(system) as two:
        one.wait_until_assigned()
        two.wait_until_assigned()
        producing.start()
        for number, fault in enumerate(faults, start=1):
            wanted = number * len(rows) // (len(faults) + 1)
            eventually(lambda wanted=wanted: len(system.everything(system.scores_topic)) >= wanted)  # type: ignore[misc]
            fault()  # type: ignore[operator]
        report = system.verify(system.distinct_scores(len(rows)))
        producing.join()
        assert (one.end(), two.end()) == (0, 0)
    return report


def test_an_emptied_redis_is_filled_again(system: System, rows: list[Message]) -> None:
    """FLUSHALL under load: what was scored is counted again, and all that follows finds exact counts."""

    def flush() -> None:
        with redis.Redis.from_url(system.stack.redis_url) as client:
            client.flushall()

    report = scored_through(system, rows, 8_000, flush, flush)
    assert report.ok, report
    assert (report.scores, report.duplicates) == (len(rows), 0)
    assert count_errors(system) == 0


def test_a_redis_that_lost_its_last_second_is_healed(system: System, rows: list[Message]) -> None:
    """SIGKILL of Redis under load, with fsync every second: no score is lost or wrong, no count missing or double."""

    def crash() -> None:
        system.stack.redis.kill()
        system.stack.redis.start()

    report = scored_through(system, rows, 8_000, crash, crash)
    assert report.ok, report
    assert report.scores == len(rows)
    assert count_errors(system) == 0


def test_counts_are_exact_after_a_killed_worker(system: System, rows: list[Message]) -> None:
    """SIGKILL of a worker under load leaves Redis with the counts of the topic, none missing and none double."""
    producing = threading.Thread(target=system.produce, args=(rows, 10_000))
    with worker(system) as one, worker(system) as two:
        one.wait_until_assigned()
        two.wait_until_assigned()
        producing.start()
        system.scores(5_000)
        one.process.send_signal(signal.SIGKILL)
        report = system.verify(system.distinct_scores(len(rows)))
        producing.join()
        assert two.end() == 0
    assert report.ok, report
    assert count_errors(system) == 0


@pytest.mark.kafka_only("Tansu answers wrongly where a topic ends")
def test_the_watchdog_sees_the_lag_of_the_broker(system: System, rows: list[Message]) -> None:
    """Lag is what the topic holds beyond the committed offset; a worker shows it, and what Redis is ahead of it."""
    system.produce(rows[:1_000])
    partitions = [(system.impressions_topic, partition) for partition in range(PARTITIONS)]
    client = lag.client({"bootstrap.servers": system.stack.bootstrap_servers}, system.deployment.name)

    def behind() -> int:
        return sum(place.lag for place in (lag.places(client, partitions) or {}).values())

    try:
        eventually(lambda: behind() == 1_000)  # a broker that is slow to answer is no lag
        with worker(system) as one:
            system.scores(1_000)
            eventually(lambda: behind() == 0)
            eventually(lambda: one.metric("ctr_lag_impressions") == one.metric("ctr_fence_lag_impressions") == 0)
            assert one.metric("ctr_impressions_total") == one.metric("ctr_scores_total") == 1_000
            assert one.end() == 0
    finally:
        client.close()


HANGS = """
import asyncio, sys
from store import apply
apply.applier = lambda *_: hang  # stands for what no test can bring about at will: a call that never ends
async def hang(*arguments): await asyncio.Event().wait()
sys.argv = ["ctr", "worker"]
from cli.app import main
main()
"""


@pytest.mark.kafka_only("Tansu answers wrongly where a topic ends")
def test_a_worker_that_hangs_is_ended_by_its_watchdog(system: System, rows: list[Message]) -> None:
    """With lag and nothing done for the set time the process ends with a code of its own; the next one goes on."""
    system.produce(rows[:1_000])
    with worker(system, "-c", HANGS, WATCHDOG_SECONDS="4") as one:
        assert one.process.wait(60) == watchdog.EXIT_CODE
        assert "no progress for 4 s" in one.said()
    with worker(system) as two:
        report = system.verify(system.scores(1_000))
        assert two.end() == 0
    assert report.ok, report
    assert count_errors(system) == 0


def set_group(system: System, offset: int) -> None:
    """Set the group, which has no member now, to an offset in every partition."""
    admin = AdminClient({"bootstrap.servers": system.stack.bootstrap_servers})
    wanted = [TopicPartition(system.impressions_topic, partition, offset) for partition in range(PARTITIONS)]
    group = ConsumerGroupTopicPartitions(system.deployment.name, wanted)
    for done in admin.alter_consumer_group_offsets([group]).values():
        done.result()


def sent(system: System) -> list[dict[str, Any]]:
    """The scores that are there now."""
    return [json.loads(score.value or b"") for score in system.everything(system.scores_topic)]


@pytest.mark.kafka_only("Tansu does not alter offsets of groups")
def test_a_group_set_to_an_older_offset_scores_nothing_twice(system: System, rows: list[Message]) -> None:
    """What was scored before is neither scored nor counted again, also where the scores are gone; the rest goes on."""
    with worker(system) as one:
        system.produce(rows[:4_000])
        system.scores(4_000)
        assert one.end() == 0
    set_group(system, 0)
    with worker(system) as two:
        system.produce(rows[4_000:6_000])
        report = system.verify(system.scores(6_000))
        two.wait_until_said("were scored before: not again")
        assert two.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (6_000, 0)
    assert count_errors(system) == 0
    system.make_anew(system.scores_topic)
    set_group(system, 0)
    with worker(system) as three:
        system.produce(rows[6_000:7_000])
        fresh = {json.loads(row.value or b"")["id"] for row in rows[6_000:7_000]}
        eventually(lambda: fresh <= {score["id"] for score in sent(system)})
        assert three.end() == 0
    # Those whose replies Redis still holds are answered from them: their scores were gone.
    places = [(score["partition"], score["offset"]) for score in sent(system)]
    assert len(places) == len(set(places))
    assert count_errors(system) == 0


@pytest.mark.kafka_only("Tansu does not alter offsets of groups")
def test_a_group_set_to_a_newer_offset_still_counts_what_it_skips(system: System, rows: list[Message]) -> None:
    """Skipped impressions get no score, as was wanted, but they were shown: later ones find them counted."""
    with worker(system) as one:
        system.produce(rows[:2_000])
        system.scores(2_000)
        assert one.end() == 0
    before = dict(Counter(record.partition for record in system.everything(system.impressions_topic)))
    system.produce(rows[2_000:4_000])
    newer = min(before.values()) + 400
    set_group(system, newer)
    with worker(system) as two:
        system.produce(rows[4_000:5_000])
        after = Counter(record.partition for record in system.everything(system.impressions_topic))
        skipped = sum(max(0, newer - before[partition]) for partition in after)
        scores = system.scores(5_000 - skipped)
        assert two.end() == 0
    assert skipped > 0
    places = {(score["partition"], score["offset"]) for score in sent(system)}
    assert len(places) == len(scores) == len(sent(system)) == 5_000 - skipped
    assert count_errors(system) == 0


def test_two_deployments_on_one_redis_do_not_see_each_other(
    system: System, stack: Stack, served_bundle: Path, tmp_path: Path, rows: list[Message]
) -> None:
    """Each counts what its own topic holds, under its own namespace, though partitions and keys have the same names."""
    other = deploy(stack, served_bundle, tmp_path)
    with worker(system) as one, worker(other) as two:
        system.produce(rows[:3_000])
        other.produce(rows[1_000:5_000])
        reports = system.verify(system.scores(3_000)), other.verify(other.scores(4_000))
        assert (one.end(), two.end()) == (0, 0)
    assert all(report.ok for report in reports), reports
    assert [report.scores for report in reports] == [3_000, 4_000]
    assert count_errors(system) == count_errors(other) == 0


def test_a_topic_made_anew_is_not_taken_for_redelivery(system: System, rows: list[Message]) -> None:
    """Impressions of a topic that was deleted and made anew are all scored, on top of the counts that there are."""
    with worker(system) as one:
        system.produce(rows[:4_000])
        assert len(system.scores(4_000)) == 4_000
        assert one.end() == 0
    before = system.everything(system.impressions_topic)
    system.make_anew(system.impressions_topic)
    with worker(system) as two:
        system.produce(rows[4_000:10_000])
        scores = system.scores(10_000)
        assert two.end() == 0
    ids = {json.loads(score.value or b"")["id"] for score in scores}
    assert ids == {json.loads(row.value or b"")["id"] for row in rows[:10_000]}
    assert counts.errors([*before, *system.everything(system.impressions_topic)], state_of(system)) == 0


@pytest.mark.kafka_only("Tansu has no way to add partitions")
def test_added_partitions_are_scored_and_counted_too(system: System, rows: list[Message]) -> None:
    """Partitions that are added under way get an owner, and keys that moved to them keep exact counts."""
    with worker(system) as one:
        system.produce(rows[:4_000])
        assert len(system.scores(4_000)) == 4_000
        system.add_partitions(system.impressions_topic, PARTITIONS + 2)
        system.produce(rows[4_000:10_000])
        report = system.verify(system.scores(10_000))
        assert one.end() == 0
    assert report.ok, report
    assert report.scores == 10_000
    assert count_errors(system) == 0


@pytest.mark.kafka_only("Tansu forgets everything when it restarts")
def test_a_broker_that_restarts_is_waited_for(system: System, rows: list[Message]) -> None:
    """While the broker is away the worker neither ends nor fills its log, and goes on by itself when it is back."""
    with worker(system) as one:
        system.produce(rows[:4_000])
        assert len(system.scores(4_000)) == 4_000
        system.stack.broker.kill()
        time.sleep(3)  # the outage itself: long enough for thousands of lines, were they not held back
        system.stack.broker.start()
        system.produce(rows[4_000:8_000])
        report = system.verify(system.distinct_scores(8_000))
        assert one.end() == 0
        assert one.said().count("[ERROR]") < 50
    assert report.ok, report
    assert report.scores == 8_000
    assert count_errors(system) == 0
