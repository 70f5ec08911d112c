"""The real embedded stack: both brokers, Redis, and what crashes do to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer

from local import jars, kafka, stack, topics
from local.errors import StackError

pytestmark = pytest.mark.integration

OWNER = """
import sys, time
from local import stack
with stack.running(sys.argv[1]) as running:
    print(running.broker.folder.parent, running.broker.pid, running.redis.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module", params=["kafka", "tansu"])
def running(request: pytest.FixtureRequest) -> Iterator[stack.Stack]:
    """A stack with each broker in turn."""
    if request.param == "kafka":
        require_kafka()
    with stack.running(request.param) as running:
        yield running


def require_kafka() -> None:
    """Skip the test where Apache Kafka cannot run, or shall not."""
    if os.environ.get("BROKER") == "tansu":
        pytest.skip("BROKER=tansu asks for a run without Java and Maven")
    try:
        kafka.find_java()
        jars.install()
    except StackError as error:
        pytest.skip(str(error))


def produce(bootstrap_servers: str, topic: str, values: list[bytes]) -> None:
    """Send values and wait until all are acknowledged."""
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first `count` values a new group reads, in half a minute at most."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"readers-of-{topic}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 500,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        values += [message.value() for message in consumer.consume(count, timeout=1) if message.error() is None]
    consumer.close()
    return values


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether there is a program with this pid that has not ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")  # who has ended waits as Z for a slow init


def test_ten_records_go_in_and_come_out(running: stack.Stack) -> None:
    """A topic takes ten records and a consumer group reads them back."""
    sent = [b"record %d" % number for number in range(10)]
    topics.create(running.bootstrap_servers, {"round-trip": 2})
    produce(running.bootstrap_servers, "round-trip", sent)
    assert sorted(consume(running.bootstrap_servers, "round-trip", 10)) == sent


def test_creating_topics_again_changes_nothing(running: stack.Stack) -> None:
    """`create` is idempotent, and refuses a topic with another number of partitions."""
    topics.create(running.bootstrap_servers, {"twice": 3, "once": 1})
    topics.create(running.bootstrap_servers, {"twice": 3})
    with pytest.raises(StackError, match="twice exists with 3 partitions; 4 were asked for"):
        topics.create(running.bootstrap_servers, {"twice": 4})


def test_creating_no_topics_is_fine(running: stack.Stack) -> None:
    """Nothing asked for, nothing done."""
    topics.create(running.bootstrap_servers, {})


def test_a_paused_broker_answers_only_when_it_goes_on(running: stack.Stack) -> None:
    """Frozen, the broker accepts connections and says nothing; resumed, it answers."""
    running.broker.pause()
    assert topics.cluster_id(running.bootstrap_servers, seconds=0.3) is None
    running.broker.resume()
    until(lambda: topics.cluster_id(running.bootstrap_servers) is not None)


def test_redis_keeps_what_it_acknowledged_through_a_crash(running: stack.Stack) -> None:
    """Killed and started again, on the same URL, Redis has the writes it had answered."""
    with redis.Redis.from_url(running.redis_url) as client:
        client.set("kept", "1")
    running.redis.kill()
    running.redis.start()
    with redis.Redis.from_url(running.redis_url) as client:
        assert client.get("kept") == b"1"
        assert client.config_get("lazyfree-lazy-expire") == {"lazyfree-lazy-expire": "yes"}


@pytest.mark.kafka_only
def test_kafka_keeps_topics_and_records_through_a_crash() -> None:
    """Killed and started again, on the same port, Kafka has its topics and the records it had acknowledged."""
    require_kafka()
    with stack.running("kafka", redis_url="redis://unused:6379/0") as running:
        topics.create(running.bootstrap_servers, {"kept": 1})
        produce(running.bootstrap_servers, "kept", [b"a", b"b"])
        running.broker.kill()
        assert topics.cluster_id(running.bootstrap_servers, seconds=0.3) is None
        running.broker.start()
        assert consume(running.bootstrap_servers, "kept", 2) == [b"a", b"b"]


@pytest.mark.kafka_only
def test_a_kept_folder_brings_back_topics_and_keys(tmp_path: Path) -> None:
    """A stack in a folder of the caller's goes on where the last one there ended."""
    require_kafka()
    with stack.running("kafka", tmp_path) as running, redis.Redis.from_url(running.redis_url) as client:
        topics.create(running.bootstrap_servers, {"kept": 1})
        produce(running.bootstrap_servers, "kept", [b"a"])
        client.set("kept", "1")
    with stack.running("kafka", tmp_path) as running, redis.Redis.from_url(running.redis_url) as client:
        assert consume(running.bootstrap_servers, "kept", 1) == [b"a"]
        assert client.get("kept") == b"1"


@pytest.mark.parametrize("broker", ["kafka", "tansu"])
def test_servers_are_gone_after_kill_9_of_the_program_that_started_them(broker: str) -> None:
    """Nobody is left to clean up, and yet broker, Redis and folder go."""
    if broker == "kafka":
        require_kafka()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, broker], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        place, *pids = owner.stdout.readline().split()
    assert all(lives(int(pid)) for pid in pids)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    until(lambda: not any(lives(int(pid)) for pid in pids) and not Path(place).exists())


def test_auto_takes_tansu_where_kafka_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Java the stack still comes up, and says why it is not Kafka."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with stack.running() as running:
        assert running.broker.name.startswith("tansu")
    assert "Tansu instead of Apache Kafka" in capsys.readouterr().err
