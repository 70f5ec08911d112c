"""Made-up rows and stand-ins that behave like what they stand for: records, events, a bundle, a store in memory."""

import asyncio
import csv
import gzip
import io
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from features import definition
from features.ctr import Known
from features.keys import Key, Keys
from features.windows import WINDOWS, Counts, State, observe, peek
from model.bundle import SCHEMA_VERSION, Bundle, Card
from model.explain import Explanation
from replay.consume import Read
from schemas import hours
from schemas.impression import FIELDS, Impression, LoggedImpression
from store.batch import Counted, Observation
from store.keyspace import Source
from store.peek import Question
from stream import score
from stream.transport import Outgoing

SOURCE = Source("impressions", 3)
NOW = 1_700_000_000.25

_FIELDS: dict[str, Any] = {
    "id": "9000000000000000001",
    "hour": 14102113,
    "C1": 1005,
    "banner_pos": 1,
    "site_id": "site0001",
    "site_domain": "domain01",
    "site_category": "category",
    "app_id": "app00001",
    "app_domain": "appdom01",
    "app_category": "appcat01",
    "device_id": "device01",
    "device_ip": "address1",
    "device_model": "model001",
    "device_type": 1,
    "device_conn_type": 2,
    "C14": 20001,
    "C15": 320,
    "C16": 50,
    "C17": 2001,
    "C18": 3,
    "C19": 39,
    "C20": -1,
    "C21": 23,
}


def fields(**changes: Any) -> dict[str, Any]:
    """The fields of a made-up impression."""
    return _FIELDS | changes


def impression(**changes: Any) -> Impression:
    """A made-up impression."""
    return Impression(**fields(**changes))


def click_log(rows: int, *, seed: int = 0, hours_spanned: int = 30, first: int = 14102100) -> list[LoggedImpression]:
    """A made-up labelled log in time order; few values, and clicks that depend on the site."""
    draw = random.Random(seed)
    first_hour = hours.index(first)
    log = []
    for number in range(rows):
        site = draw.randrange(8)
        device = draw.randrange(max(2, rows // 5))
        changes = {name: draw.randrange(4) for name in ("C1", "banner_pos", "device_type", "C14", "C15", "C16", "C18")}
        log.append(
            LoggedImpression(
                **fields(
                    id=str(10**18 + number),
                    hour=hours.from_index(first_hour + number * hours_spanned // rows),
                    site_id=f"site{site}",
                    device_ip=f"address{device % 97}",
                    device_model=f"model{device % 5}",
                    device_id=f"device{device}" if device % 3 == 0 else "a99f214a",
                    **changes,
                ),
                click=int(draw.random() < 0.05 + 0.08 * site),
            )
        )
    return log


def write_log(path: Path, rows: Iterable[LoggedImpression | dict[str, Any]], columns: Sequence[str] = ()) -> Path:
    """Write a CSV log, gzipped if the name says so; click stands second, as in the real one."""
    columns = columns or ("id", "click", *FIELDS[1:])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        values = row if isinstance(row, dict) else msgspec.structs.asdict(row)
        writer.writerow([values[name] for name in columns])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


class Record(NamedTuple):
    """A consumed record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records(values: Iterable[bytes | None], first: int = 0) -> list[Record]:
    """Records with consecutive offsets, each with its own key and timestamp."""
    return [
        Record(offset, 1_700_000_000_000 + offset, f"key {offset}".encode(), value)
        for offset, value in enumerate(values, start=first)
    ]


class NaiveCounts:
    """The oracle of the windows: keeps every impression ever seen and recounts from scratch."""

    def __init__(self) -> None:
        self._seen: list[tuple[Keys, int]] = []

    def peek(self, keys: Keys, hour: int) -> Counts:
        """For each entity and window: the impressions so far that counted the same key in the window's hours."""
        return tuple(self._count(key, hour, length) for key in keys for length in WINDOWS.values())

    def observe(self, keys: Keys, hour: int) -> Counts:
        """As `peek`, then remembers the impression."""
        counts = self.peek(keys, hour)
        self._seen.append((keys, hour))
        return counts

    def _count(self, key: Key | None, hour: int, length: int) -> int:
        return sum(1 for keys, at in self._seen if key is not None and key in keys and hour - length < at <= hour)


class MemoryStore:
    """The store's answers without Redis: counts in memory and numbers the batches. No redelivery."""

    def __init__(self) -> None:
        self.state: State = {}
        self.batches = 0

    def apply(self, observations: Sequence[Observation]) -> list[Counted]:
        """Count a batch."""
        if not observations:
            return []
        self.batches += 1
        return [Counted(self.batches, observe(self.state, one.keys, one.hour)) for one in observations]


class Hashed:
    """A lookup table with a different, reproducible CTR for each value."""

    def get(self, value: object, unseen: Known, /) -> Known:
        """Some numbers that depend on the value."""
        seed = sum(repr(value).encode())
        return Known((seed % 89) / 100, 0.0, (seed % 7) / 10) if value != "unseen" else unseen

    def __contains__(self, value: object) -> bool:
        return value != "unseen"


def bundle(version: str = "0123456789ab") -> Bundle:
    """A bundle whose tables are made up and whose model is the share of a row's sum in 10,000,000."""
    tables: Any = {table: Hashed() for table in definition.TABLES}
    card = Card(SCHEMA_VERSION, definition.FEATURE_NAMES, (), {}, 0.2, 20.0, 14102100, 14102200, 1, {}, {})
    return Bundle(
        version,
        card,
        definition.builder(tables, 0.2),
        lambda rows: [abs(sum(row)) % 10_000_000 / 1e7 for row in np.array(rows, dtype=np.float32).tolist()],
        lambda row: Explanation(-1.5, [0.01 * value for value in row]),
        {table: {} for table in definition.TABLES},
    )


class Streamed(NamedTuple):
    """What a run of the stream left in the three topics."""

    impressions: list[Read]
    scores: list[Read]
    dead_letters: list[Read]


def streamed(served: Bundle, partitions: Sequence[Sequence[bytes | None]], batch: int = 7) -> Streamed:
    """Run the messages of each partition through decode, count, encode; partitions take turns, batch by batch."""
    topics = Streamed([], [], [])
    store = MemoryStore()
    encode = score.encoder(served)
    waiting = [(Source("impressions", number), records(values)) for number, values in enumerate(partitions)]
    for source, all_records in waiting:
        topics.impressions.extend(
            Read(source.partition, one.offset, one.timestamp, one.timestamp, one.key, one.value, ())
            for one in all_records
        )
    while any(left for _, left in waiting):
        for source, left in waiting:
            taken, left[:] = left[:batch], left[batch:]
            decoded = score.decode(source, taken)
            counted = store.apply(decoded.observations)
            (scored,) = encode([score.Batch(source, decoded, counted)], NOW)
            _append(topics.scores, scored.scores, source.partition)
            _append(topics.dead_letters, score.encode_rejected(decoded) + scored.rejected, source.partition)
    return topics


class Peeked:
    """The store as the API sees it: counts of `state`, or an error while it is away."""

    def __init__(self) -> None:
        self.state: State = {}
        self.away: Exception | None = None
        self.questions: list[int] = []  # how many each call asked

    async def __call__(self, questions: Sequence[Question]) -> list[Counts]:
        """Answer after the event loop had a turn, as a round trip does."""
        self.questions.append(len(questions))
        await asyncio.sleep(0)
        if self.away:
            raise self.away
        return [peek(self.state, keys, hour) for keys, hour in questions]


def _append(topic: list[Read], sent: Sequence[Outgoing], partition: int) -> None:
    used = Counter(record.partition for record in topic)[partition]
    for offset, (key, value, timestamp, headers) in enumerate(sent, start=used):
        topic.append(Read(partition, offset, timestamp, timestamp + 5, key, value, tuple(headers)))


def packed(state: State, key: Key, day: int) -> str | bool:
    """A key's tiles of a day as apply.lua keeps them: hour of day, count in four 7-bit digits; False for none."""
    tiles = {hour: count for hour, count in state.get(key, {}).items() if hour // 24 == day}
    return "".join(
        chr(hour % 24) + "".join(chr(count >> shift & 127) for shift in (21, 14, 7, 0)) for hour, count in tiles.items()
    ) or (False)
