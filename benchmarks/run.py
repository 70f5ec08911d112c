"""The whole run: contenders in turn, two workers, latency, growth; one stack, one topic, the same rows."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import growth, inputs, latency, trial
from benchmarks.checks import Checks
from benchmarks.growth import Grown
from benchmarks.inputs import Inputs, Recipe
from benchmarks.latency import Latency
from benchmarks.results import Details, Results, machine, results
from benchmarks.trial import PARTITIONS, Place, Trial
from local import stack, topics
from model import bundle
from replay import consume
from replay.produce import produce

Stage = Callable[[str, int], Callable[[int], None]]

CONTENDERS = (
    "ours",
    "faust_plain",
    "faust_lua",
    "quix_dataframe",
    "quix_sink",
    "quix_lua",
    "confluent_loop",
    "confluent_lua",
    "faststream_batch",
    "limit",
)
PARTS = (*CONTENDERS, "two_workers", "latency", "growth")
_TOPIC = "impressions"


class Plan(msgspec.Struct, frozen=True):
    """What to run, and how much of it."""

    parts: tuple[str, ...] = PARTS
    trials: int = 3
    recipe: Recipe = Recipe(rows=300_000, seed=1)
    longest_seconds: float = 10.0  # of a trial: who is slower scores fewer rows
    latency_seconds: float = 15.0
    rates: tuple[int, ...] = (1000, 5000, 20_000)  # impressions a second
    warm_up_rounds: int = 6  # of the highest rate, not judged: see `_latencies`
    entities: tuple[int, ...] = (0, 1_000_000, 5_000_000, 10_000_000)


def run(plan: Plan, folder: Path, stage: Stage) -> Results:
    """Run the plan on a stack of its own; logs of the contenders and what they read are left in `folder`.

    Raises:
        TrialError: a contender, the generator or the reader failed.
        StackError: Apache Kafka can not run here; Tansu does not stamp what is appended.
    """
    made = inputs.make(plan.recipe, folder, stage)
    with _filled(made, folder) as place:
        impressions = list(consume.records(place.stack.bootstrap_servers, _TOPIC))
        checks = Checks(bundle.load(made.bundle), impressions)
        return results(
            Details(
                command=shlex.join(["ctr", *sys.argv[1:]]),
                machine=machine(place.stack.broker.name, place.stack.redis.name),
                seed=plan.recipe.seed,
                rows=place.rows,
                partitions=PARTITIONS,
                impression_bytes=trial.mean_bytes(impressions),
                entities_per_impression=made.entities_per_impression,
                trials=list(_trials(plan, place, checks, stage)),
                latencies=list(_latencies(plan, place, stage)),
                growth=list(_growth(plan, place, checks, made, stage)),
            )
        )


@contextmanager
def _filled(made: Inputs, folder: Path) -> Iterator[Place]:
    """A stack whose topic holds the messages. Never somebody's own servers: trials empty Redis."""
    with stack.running(broker="kafka", lasting=True) as running:
        topics.create(running.bootstrap_servers, {_TOPIC: PARTITIONS})
        produce(running.bootstrap_servers, _TOPIC, made.messages)
        yield Place(running, made.log, made.bundle, _TOPIC, len(made.messages), folder)


def _trials(plan: Plan, place: Place, checks: Checks, stage: Stage) -> Iterator[Trial]:
    """Each contender in turn, then all again: what the machine does meanwhile meets all of them."""
    chosen = [(name, 1) for name in CONTENDERS if name in plan.parts]
    chosen += [("ours", 2)] if "two_workers" in plan.parts else []
    advance = stage("contenders", plan.trials * len(chosen))
    for number in range(plan.trials):
        for contender, workers in chosen:
            trial.empty(place.stack)
            name = f"{contender}-{workers}-{number}"
            check, longest = checks.of(contender), plan.longest_seconds
            yield trial.run(place, contender, name, check, workers=workers, longest=longest)
            advance(1)


def _latencies(plan: Plan, place: Place, stage: Stage) -> Iterator[Latency]:
    """Each rate in turn, then all again.

    Before them the highest one several times, not judged: the broker's compiler is at work meanwhile. Under 20,000
    impressions a second it takes .9 of a core at first, .3 after a minute and a half, and it stays there.
    """
    rates = plan.rates if "latency" in plan.parts else ()
    warm_up = [max(rates)] * plan.warm_up_rounds if rates else []
    todo = [*warm_up, *(plan.trials * rates)]
    advance = stage("latency", len(todo))
    for number, rate in enumerate(todo):
        trial.empty(place.stack)
        found = latency.measure(place, rate, plan.latency_seconds)
        advance(1)
        if number >= len(warm_up):
            yield found


def _growth(plan: Plan, place: Place, checks: Checks, made: Inputs, stage: Stage) -> Iterator[Grown]:
    """The ends of the scale in pairs, because their ratio is judged; what lies between once.

    An end takes a minute, most of it to fill Redis, in which the machine can become another one: hence many pairs.
    """
    entities = sorted(plan.entities) if "growth" in plan.parts else []
    ends = list(dict.fromkeys([*entities[:1], *entities[-1:]]))
    todo = [(number, one) for number in range(2 * plan.trials - 1) for one in ends]
    todo += [(0, one) for one in entities if one not in ends]
    advance = stage("growth", len(todo))
    for number, one in todo:
        name, check, longest = f"growth-{one}-{number}", checks.of("ours"), plan.longest_seconds
        yield growth.measure(place, one, name, made.last_hour, check, longest)
        advance(1)
