"""The commands that feed a stream and read what it says, with the broker left out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.app import make_app
from cli.stream import latency, mixed
from replay import broken, consume, log, produce
from replay.broken import KINDS
from replay.consume import Read
from replay.log import Message
from schemas.errors import DecodeError
from schemas.impression import LoggedImpression, decode, encode

LOG = fakes.click_log(120, seed=6)


def message(number: int) -> Message:
    """A good message."""
    return Message(f"key {number}".encode(), encode(LoggedImpression(**fakes.fields(id=str(number)), click=0)))


def is_good(one: Message) -> bool:
    """Whether a message holds an impression."""
    try:
        decode(one.value)
    except DecodeError:
        return False
    return True


@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 12))
def test_mixed_has_all_rows_in_order_and_exactly_n_broken(rows: int, count: int, every: int) -> None:
    """However many rows there are: none is lost or moved, and the broken ones are of the kinds in turn."""
    good = [message(number) for number in range(rows)]
    found = list(mixed(iter(good), count, every))
    assert [one for one in found if is_good(one)] == good
    spoiled = [one for one in found if not is_good(one)]
    assert spoiled == [one for one, _ in islice(broken.messages(good[0]), count)]
    assert len(found) == rows + count


def test_mixed_spreads_the_broken_ones() -> None:
    """One after each so many rows, what is left over at the end."""
    found = [is_good(one) for one in mixed(map(message, range(25)), 5, every=10)]
    good, bad = True, False
    assert found == [good, bad, *[good] * 10, bad, *[good] * 10, bad, *[good] * 4, bad, bad]


def test_mixed_without_rows_has_nothing_to_break() -> None:
    """No rows, no messages."""
    assert list(mixed([], 5)) == []


def read(waited: int, value: bytes | None = b"{}") -> Read:
    """A record that was read so many milliseconds after its stamp."""
    return Read(0, waited, 1000, 1000 + waited, b"k", value, ())


def test_latency_by_hand() -> None:
    """Percentiles of the milliseconds between stamp and reading."""
    assert latency([read(waited) for waited in range(1001)]) == pytest.approx(
        {"p50": 500.0, "p99": 990.0, "p99.9": 999.0}
    )
    assert latency([read(7)]) == {"p50": 7.0, "p99": 7.0, "p99.9": 7.0}
    assert latency([]) == {}


class Broker:
    """Takes what is produced, and has records to consume."""

    def __init__(self, records: Sequence[Read] = ()) -> None:
        self.sent: list[Message] = []
        self.asked: list[tuple[object, ...]] = []
        self._records = records

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Iterable[Message],
        rate: float | None,
        progress: object,
        connection: dict[str, object],
    ) -> int:
        """As replay.produce.produce."""
        self.asked.append((servers, topic, rate, connection["bootstrap.servers"]))
        self.sent += messages
        return len(self.sent)

    def records(self, servers: str, topic: str, connection: object, **options: object) -> Iterator[Read]:
        """As replay.consume.records."""
        self.asked.append((servers, topic, options))
        yield from self._records


def test_produce_sends_the_hours_asked_for_with_broken_messages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hours and limit choose the rows, --broken mixes in so many, and the result says what was sent."""
    broker = Broker()
    monkeypatch.setattr(produce, "produce", broker.produce)
    path = fakes.write_log(tmp_path / "log.csv", LOG)
    arguments = [
        "--from-hour",
        "14102102",
        "--until-hour",
        "14102110",
        "--limit",
        "20",
        "--broken",
        "3",
        "--rate",
        "50",
    ]
    ended = CliRunner().invoke(
        make_app(),
        ["produce", str(path), *arguments, "--topic", "t", "--json"],
        env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
    )
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["messages"] == 23
    assert broker.asked == [("127.0.0.1:1", "t", 50.0, "127.0.0.1:1")]
    rows = list(log.messages(path, 14102102, 14102110))
    assert len(rows) > 20
    assert [one for one in broker.sent if is_good(one)] == rows[:20]


def test_consume_prints_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --out the values go to stdout, one a line, as many as asked for."""
    broker = Broker([read(1, b'{"a":1}'), read(2, None), read(3, b"\xff"), read(4, b"left out")])
    monkeypatch.setattr(consume, "records", broker.records)
    ended = CliRunner().invoke(make_app(), ["consume", "--limit", "3", "--follow", "--idle-seconds", "2"])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == '{"a":1}\n\n\\xff\n'
    assert broker.asked == [("127.0.0.1:9092", "scores", {"follow": True, "idle_seconds": 2.0})]


@pytest.mark.parametrize("name", ["records.jsonl", "records.parquet"])
def test_consume_saves_values_or_whole_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """A .parquet file has the records to the last byte, any other their values; the result says the latency."""
    records = [read(waited, f'{{"n":{waited}}}'.encode()) for waited in (10, 20, 30)]
    monkeypatch.setattr(consume, "records", Broker(records).records)
    ended = CliRunner().invoke(make_app(), ["consume", "--out", str(tmp_path / name), "--json"])
    assert ended.exit_code == 0, ended.output
    figures = json.loads(ended.stdout)
    assert (figures["records"], figures["latency_ms"]["p50"]) == (3, 20.0)
    if name.endswith(".parquet"):
        assert consume.saved(tmp_path / name) == records
    else:
        assert (tmp_path / name).read_bytes() == b'{"n":10}\n{"n":20}\n{"n":30}\n'


def test_there_are_as_many_kinds_as_the_demo_needs() -> None:
    """100 broken messages show every kind several times."""
    assert len(KINDS) * 4 <= 100
