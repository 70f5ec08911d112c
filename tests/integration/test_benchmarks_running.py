"""The benchmarks run, and what they fill Redis with is what the store writes."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import fakes
import pytest
import redis.asyncio

from benchmarks import growth, results
from benchmarks.contenders import counter
from benchmarks.contenders.counter import Connect
from benchmarks.inputs import Recipe
from benchmarks.run import CONTENDERS, Plan, run
from features.keys import keys
from features.windows import State, observe
from schemas import hours
from store.dump import dump
from store.settings import StoreSettings

pytestmark = pytest.mark.integration

ROWS = 12_000


def quiet(name: str, total: int) -> Callable[[int], None]:
    """No progress bars."""
    return lambda advance: None


@pytest.mark.kafka_only("Tansu does not stamp records when they are appended")
def test_every_contender_scores_every_row_rightly(tmp_path: Path) -> None:
    """A small run: all rows are scored by all, nothing is wrong; latency and growth are measured."""
    plan = Plan(
        parts=(*CONTENDERS, "latency", "growth"),
        trials=1,
        recipe=Recipe(ROWS, seed=1, train_rows=20_000),
        longest_seconds=60,
        latency_seconds=4,
        rates=(500,),
        warm_up_rounds=1,
        entities=(0, 5000),
    )
    found = run(plan, tmp_path, quiet)
    assert {trial.contender for trial in found.details.trials} == set(CONTENDERS)
    assert [(trial.contender, trial.scores, trial.wrong) for trial in found.details.trials if trial.wrong] == []
    assert {trial.scores for trial in found.details.trials} == {ROWS}
    assert found.parity_mismatches == 0
    assert [one.lost for one in found.details.latencies] == [0]
    assert all(one.cost.worker > 0 for one in found.details.latencies)
    assert found.ratio_limit is not None
    results.save(tmp_path / "results.json", found)
    assert results.saved(tmp_path / "results.json") == found


async def test_the_fill_is_what_the_store_writes(redis_url: str) -> None:
    """The store reads it back: distinct entities, one to three tiles each, all in the 24 hours up to the last."""
    last_hour, entities, namespace = 400_000, 3000, f"filled-{uuid4()}"
    growth.fill(redis_url, namespace, entities, last_hour, chunk=700)
    settings = StoreSettings(redis_url=redis_url, store_namespace=namespace)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        state = await dump(client, settings)
    assert len(state) == entities
    assert {len(tiles) for tiles in state.values()} == {1, 2, 3}
    assert all(last_hour - 24 < hour <= last_hour for tiles in state.values() for hour in tiles)
    assert {count for tiles in state.values() for count in tiles.values()} == {1, 2, 3}


@pytest.mark.parametrize("connect", [counter.pipelined, counter.scripted])
def test_the_contenders_count_as_the_definition_does(redis_url: str, connect: Connect) -> None:
    """Pipeline and Lua call give the counts of `features.windows`, batch after batch; an empty batch gives none."""
    shown = fakes.click_log(600, hours_spanned=40)
    count = connect(redis_url, f"counted-{uuid4()}")
    assert count([]) == []
    state: State = {}
    expected = [observe(state, keys(one), hours.index(one.hour)) for one in shown]
    assert count(shown[:250]) + count(shown[250:]) == expected
