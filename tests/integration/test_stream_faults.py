"""Nothing lost and nothing counted twice while things die."""

import asyncio
import json
import signal
import threading
import time

import pytest
import redis
from system import PARTITIONS, System, eventually, worker

from features.windows import State
from local.stack import External
from replay import counts
from replay.log import Message
from replay.verify import Report
from store.client import connect
from store.dump import dump
from store.settings import StoreSettings
from stream import watchdog

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
    """Lag is what the topic holds beyond the last ack, or beyond the committed offset where nothing was acked yet."""
    system.produce(rows[:1_000])
    progress = watchdog.Progress()
    progress.assign((system.impressions_topic, partition) for partition in range(PARTITIONS))
    client = watchdog.Consumer(
        {"bootstrap.servers": system.stack.bootstrap_servers, "group.id": system.deployment.name}
    )
    try:
        assert watchdog._lag(client, progress) == 1_000
        with worker(system) as one:
            system.scores(1_000)
            assert one.end() == 0
        assert watchdog._lag(client, progress) == 0
    finally:
        client.close()


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
