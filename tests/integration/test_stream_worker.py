"""The main job with real processes: impressions in, scores out."""

import json
import signal
import threading
from itertools import groupby, islice

import pytest
from system import PARTITIONS, System, eventually, worker

from cli.stream import mixed
from local.stack import External
from replay import broken
from replay.log import Message

pytestmark = pytest.mark.integration


def test_broken_messages_become_dead_letters_and_the_rest_is_scored(system: System, rows: list[Message]) -> None:
    """1,000 broken messages of every kind among 10,000 good ones each end where they belong; the worker lives on."""
    messages = list(mixed(rows[:10_000], 1_000))
    with worker(system) as one:
        one.wait_until_assigned()
        system.produce(messages)
        scores = system.scores(10_000)
        assert one.process.poll() is None
        assert one.end() == 0
        assert one.said().count("assigned: ") == 1
    letters = system.everything(system.dead_letters_topic)
    sent = {(record.partition, record.offset): record for record in system.everything(system.impressions_topic)}
    kinds = dict(islice(((one.value, reason) for one, reason in broken.messages(rows[0])), len(broken.KINDS)))
    assert len(kinds) >= 12
    assert len(letters) == 1_000
    for letter in letters:
        headers = dict(letter.headers)
        original = sent[int(headers["partition"]), int(headers["offset"])]
        assert (letter.key, letter.value) == (original.key, original.value)
        assert headers["reason"].decode() == kinds[letter.value]
        assert headers["topic"].decode() == system.impressions_topic
        assert headers["detail"]
    report = system.verify(scores)
    assert report.ok, report
    assert (report.scores, report.dead_letters, report.duplicates) == (10_000, 1_000, 0)


def test_scores_are_keyed_stamped_and_ordered_as_their_impressions(system: System, rows: list[Message]) -> None:
    """A score has its impression's key and timestamp, and scores of a partition come in the order of its offsets."""
    with worker(system) as one:
        system.produce(rows[:5_000])
        scores = system.scores(5_000)
        assert one.end() == 0
    sent = {(record.partition, record.offset): record for record in system.everything(system.impressions_topic)}
    for _, group in groupby(sorted(scores, key=lambda score: score.partition), key=lambda score: score.partition):
        found = [(record, json.loads(record.value or b"")) for record in group]
        assert [score["offset"] for _, score in found] == sorted(score["offset"] for _, score in found)
        for record, score in found:
            impression = sent[score["partition"], score["offset"]]
            assert (record.key, record.timestamp) == (impression.key, impression.timestamp)
            assert score["device_ip"].encode() == impression.key
            assert score["id"] == json.loads(impression.value or b"")["id"]


def test_faust_starts_the_worker_too(system: System, rows: list[Message]) -> None:
    """`faust -A stream.app worker` scores as `ctr worker` does."""
    with worker(system, "-m", "faust", "-A", "stream.app", "worker", "-l", "info") as one:
        system.produce(rows[:2_000])
        report = system.verify(system.scores(2_000))
        assert one.end() == 0
    assert report.ok, report
    assert report.parity_compared == 2_000


def test_workers_share_the_partitions(system: System, rows: list[Message]) -> None:
    """Two workers each own some of the partitions, and counts of users seen on both stay exact."""
    with worker(system) as one, worker(system) as two:
        one.wait_until_assigned()
        two.wait_until_assigned()
        system.produce(rows[:20_000])
        report = system.verify(system.distinct_scores(20_000))
        everything = {f"{system.impressions_topic}/{partition}" for partition in range(PARTITIONS)}
        eventually(lambda: (one.assigned() | two.assigned()) == everything and not one.assigned() & two.assigned())
        assert one.assigned()
        assert two.assigned()
        assert (one.end(), two.end()) == (0, 0)
    assert report.ok, report


def test_sigterm_drains_and_commits(system: System, rows: list[Message]) -> None:
    """A worker that is asked to end in the middle commits what it scored: the next one repeats nothing."""
    producing = threading.Thread(target=system.produce, args=(rows, 10_000.0))
    with worker(system) as one:
        one.wait_until_assigned()
        producing.start()
        system.scores(1_000)
        assert one.end() == 0
    early = system.everything(system.scores_topic)
    assert 1_000 <= len(early) < len(rows)
    with worker(system) as two:
        two.wait_until_assigned()
        report = system.verify(system.scores(len(rows)))
        producing.join()
        assert two.end() == 0
    assert report.ok, report
    assert (report.scores, report.duplicates) == (len(rows), 0)


def test_a_killed_worker_loses_and_repeats_no_count(system: System, rows: list[Message]) -> None:
    """SIGKILL of one of two workers in the middle: every impression is scored, and duplicates are equal."""
    with worker(system) as one, worker(system) as two:
        one.wait_until_assigned()
        two.wait_until_assigned()
        system.produce(rows[:20_000])
        system.scores(500)
        one.process.send_signal(signal.SIGKILL)
        system.produce(rows[20_000:])
        report = system.verify(system.distinct_scores(len(rows)))
        assert two.end() == 0
    assert report.ok, report
    assert report.scores == len(rows)


def test_a_worker_waits_for_redis_and_goes_on(system: System, rows: list[Message]) -> None:
    """While Redis does not answer nothing is scored and nothing is lost; the worker says once that it waits."""
    if isinstance(system.stack.redis, External):
        pytest.skip("an external Redis is not ours to pause")
    with worker(system) as one:
        one.wait_until_assigned()
        system.produce(rows[:2_000])
        system.scores(2_000)
        system.stack.redis.pause()
        try:
            system.produce(rows[2_000:4_000])
            one.wait_until_said("waiting for Redis")
            assert len(system.everything(system.scores_topic)) == 2_000
        finally:
            system.stack.redis.resume()
        report = system.verify(system.scores(4_000))
        assert one.end() == 0
        assert one.said().count("waiting for Redis") == one.said().count("s for Redis")
    assert report.ok, report
    assert report.scores == 4_000
