"""Makes a click log that looks like Avazu's, of any size, together with the true probability of each click.

The same arguments give the same bytes. An hour is drawn at a time, so memory grows with the busiest hour, not the log.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from trainer.simulated_draws import Floats, Ints, Keys
from trainer.simulated_hour import Hour, draw_hour
from trainer.simulated_world import World, make_world

COLUMNS = [
    *("id", "click", "hour", "C1", "banner_pos"),
    *("site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"),
    *("device_id", "device_ip", "device_model", "device_type", "device_conn_type"),
    *("C14", "C15", "C16", "C17", "C18", "C19", "C20", "C21"),
]
TRUTH_COLUMNS = ["id", "true_proba"]
CLICK_RATE, BAYES_NE = 0.17, 0.854  # the latter so that a log of the sample's size is as predictable as the sample
PILOT_HOURS, PILOT_ROWS = 24, 4_096


def simulate(
    out: Path,
    truth: Path | None,
    *,
    rows: int,
    seed: int,
    hours: int = 240,
    start: str = "14102100",
    audience: float = 1.0,
    individuality: float = 0.0,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Writes a simulated click log, and the probability that each of its clicks was drawn with.

    A log of fewer rows than Avazu's 40.4 million is a thinner sample of the same traffic: few users are seen twice. For
    a short log in which users come back as often as in the whole of Avazu's, make the audience smaller too: audience
    = rows / 40.4e6 * 240 / hours.

    Args:
        out: The log, in time order; compressed when it ends in .gz. Appears when it is complete.
        truth: Where to write the columns id and true_proba, in the log's order; None for nowhere.
        rows: How many impressions.
        seed: Of everything: the publishers, ads and users as well as the draws. Not negative.
        hours: How many hours the impressions are spread over.
        start: The first hour, YYMMDDHH.
        audience: How many users there are, relative to the Avazu log's.
        individuality: Strength of effects that no column tells: what users, addresses and days have of their own. 0 for
            none, then true_proba is near what the best model would say; at 1 their standard deviation is near .45 of
            log-odds. The real sample neither shows nor excludes them.
        progress: Is told of the rows of each hour when they are written.

    Raises:
        ValueError: An argument is out of its range; nothing was written.
        OSError: A file cannot be written.
    """
    first = _first_hour(start)
    _check(rows, seed, hours, audience)
    counts = rows_by_hour(rows, seed, hours, first.hour)
    world = calibrated(make_world(seed, first.hour + hours, audience, individuality), counts, first.hour)
    with _csv(out, COLUMNS) as write_log, _csv(truth, TRUTH_COLUMNS) as write_truth:
        for batch in _ahead(_batches(world, counts, first)):
            write_log(batch.select(COLUMNS))
            write_truth(batch.select(TRUTH_COLUMNS))
            progress(batch.num_rows)


def rows_by_hour(rows: int, seed: int, hours: int, first_hour: int) -> Ints:
    """Splits the rows over the hours by the log's daily rhythm (high at 4-9 h, low at 20-24 h) and a drift of days.

    Args:
        rows: How many in total.
        seed: Of the drift.
        hours: How many hours.
        first_hour: The clock's hour at the log's start, 0 to 23.

    Returns:
        Rows of each hour, summing to rows; shape (hours,).
    """
    rng = np.random.default_rng([seed, 2])
    clock = first_hour + np.arange(hours)
    rhythm = 1 + 0.45 * np.cos(2 * np.pi * (clock - 7) / 24) + 0.15 * np.cos(4 * np.pi * (clock - 5) / 24)
    drift = np.exp(0.1 * rng.standard_normal(hours // 24 + 2)[clock // 24] + 0.08 * rng.standard_normal(hours))
    total = np.cumsum(rhythm * drift)
    ends = np.rint(rows * (total / total[-1])).astype(np.int64)
    return np.asarray(np.diff(ends, prepend=0))


def calibrated(world: World, counts: Ints, first_hour: int) -> World:
    """The world whose intercept and gain give the log's click rate and predictability, on a pilot draw of its hours.

    Args:
        world: What to calibrate.
        counts: Rows of each hour.
        first_hour: The clock's hour at the log's start, 0 to 23.

    Returns:
        The same world but for its intercept and gain: mean true_proba CLICK_RATE, and without individuality a
        normalised entropy of true_proba of BAYES_NE (the least a model can reach), up to the pilot's sampling error.
    """
    pilot = np.unique(np.linspace(0, len(counts) - 1, PILOT_HOURS).astype(int)).tolist()
    drawn = [draw_hour(world, first_hour + i, max(int(counts[i]), PILOT_ROWS)) for i in pilot]
    some = [np.linspace(0, len(hour.chance) - 1, PILOT_ROWS).astype(int) for hour in drawn]
    log_odds = np.concatenate([hour.log_odds[rows] for hour, rows in zip(drawn, some, strict=True)])
    own = np.concatenate([hour.own[rows] for hour, rows in zip(drawn, some, strict=True)])
    weights = np.repeat(counts[pilot], PILOT_ROWS)
    for _ in range(30):
        probability = click_probability(world, log_odds, 0 * own)
        rate = np.array(np.average(probability, weights=weights))
        normalised = float(np.average(entropy(probability), weights=weights) / entropy(rate))
        world = _at_click_rate(world, probability, weights)
        world = replace(world, gain=world.gain * ((1 - BAYES_NE) / (1 - normalised)) ** 0.5)
    for _ in range(10):
        world = _at_click_rate(world, click_probability(world, log_odds, own), weights)
    return world


def _at_click_rate(world: World, probability: Floats, weights: Ints) -> World:
    """The world with an intercept that brings the mean of what are its probabilities now nearer to CLICK_RATE."""
    rate = float(np.average(probability, weights=weights))
    return replace(world, intercept=world.intercept + math.log(CLICK_RATE / (1 - CLICK_RATE) / rate * (1 - rate)))


def click_probability(world: World, log_odds: Floats, own: Floats) -> Floats:
    """The probability of a click, rounded to 6 decimals so that the number written is the one drawn with."""
    odds = np.exp(world.gain * log_odds + world.individuality * own + world.intercept)
    return np.asarray(np.rint(1e6 * odds / (1 + odds)).clip(1, 999_999) / 1e6)


def entropy(probability: Floats) -> Floats:
    """Of clicks with these probabilities, in nats."""
    return np.asarray(-probability * np.log(probability) - (1 - probability) * np.log1p(-probability))


def _batches(world: World, counts: Ints, first: datetime) -> Iterator[pa.RecordBatch]:
    """The log hour by hour, with the truth; hours without rows are left out."""
    ends = np.cumsum(counts)
    for i in np.flatnonzero(counts).tolist():
        hour = draw_hour(world, first.hour + i, int(counts[i]))
        probability = click_probability(world, hour.log_odds, hour.own)
        ids = world.hash.bits(np.arange(ends[i] - counts[i], ends[i], dtype=np.uint64), "id")
        stamp = int((first + timedelta(hours=i)).strftime("%y%m%d%H"))
        yield _batch(hour, ids, stamp, probability)


def _batch(hour: Hour, ids: Keys, stamp: int, probability: Floats) -> pa.RecordBatch:
    """One hour in the log's columns and true_proba."""
    columns = {
        "id": pa.array(ids),
        "click": pa.array((hour.chance < probability).astype(np.int8)),
        "hour": pa.array(np.full(len(ids), stamp)),
        "true_proba": pa.array(probability),
    }
    columns |= {name: pa.array(codes) for name, codes in hour.codes.items()}
    columns |= {name: hexadecimal(keys) for name, keys in hour.names.items()}
    return pa.RecordBatch.from_pydict(columns)


def hexadecimal(keys: Keys) -> pa.StringArray:
    """Numbers below 2**32 as 8 lower-case hexadecimal characters."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    nibbles = keys[:, None] >> np.arange(28, -4, -4, dtype=np.uint64) & 0xF
    offsets = np.arange(0, 8 * len(keys) + 8, 8, dtype=np.int32)
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(digits[nibbles]))


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; the next one is made in a thread while the last one is being written."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


@contextmanager
def _csv(path: Path | None, columns: Sequence[str]) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Opens a CSV file with a header; gives the function that appends a batch (or drops it, where there is no path).

    The file appears under its name when all is written; until then, or after an error, it has .part added.
    """
    if path is None:
        yield lambda _: None
        return
    part = path.with_name(path.name + ".part")
    plain = pa_csv.WriteOptions(include_header=False, batch_size=16_384, quoting_style="none")
    with part.open("wb") as raw, _compressed(raw) if path.suffix == ".gz" else nullcontext(raw) as sink:
        sink.write((",".join(columns) + "\n").encode())
        yield lambda batch: pa_csv.write_csv(batch, sink, plain)
    part.replace(path)


def _compressed(raw: IO[bytes]) -> gzip.GzipFile:
    """A gzip stream without name and time, so that equal rows are equal bytes; level 1 because gzip is the slowest."""
    return gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0)


def _check(rows: int, seed: int, hours: int, audience: float) -> None:
    """Refuses what cannot be simulated."""
    if rows < 1 or hours < 1:
        raise ValueError(f"a log needs at least one row and one hour, got rows={rows}, hours={hours}")
    if seed < 0 or not audience > 0:
        raise ValueError(
            f"seed must not be negative and audience must be above 0, got seed={seed}, audience={audience}"
        )


def _first_hour(start: str) -> datetime:
    """Parses YYMMDDHH."""
    try:
        if len(start) == 8 and start.isdecimal():
            return datetime.strptime(start, "%y%m%d%H")
    except ValueError:
        pass
    raise ValueError(f"start must be an hour YYMMDDHH, for example 14102100, got {start!r}")
