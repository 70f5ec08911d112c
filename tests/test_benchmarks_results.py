"""The figures of a run, and what they say of capacity."""

from pathlib import Path

import pytest

from benchmarks import capacity, results, show
from benchmarks.capacity import Coefficients
from benchmarks.cost import Cost
from benchmarks.growth import Grown
from benchmarks.latency import Latency
from benchmarks.results import Details, Machine, Results
from benchmarks.trial import Trial

KEYS = (
    *("ours_events_per_second", "ratio_faust_plain", "ratio_quix", "ratio_confluent_loop", "ratio_limit"),
    *("two_workers_ratio", "p99_ms_1000", "p99_ms_5000", "p99_ms_20000", "redis_bytes_per_entity"),
    *("ratio_10m_entities", "parity_mismatches"),
    *("ratio_faust_lua", "ratio_quix_lua", "ratio_confluent_lua", "details"),
)
MACHINE = Machine("a processor", 2, 24, "Linux", "3.11.7", "kafka 4.4.0", "valkey 9.1.2", {})
CORES = Cost(0.75, 0.15, 0.12)
COST = Coefficients(30_000, 25.0, 5.0, 4.0, 80.0, 0.5, 400.0, 350.0)


def trial(contender: str, rate: float, workers: int = 1, wrong: int = 0) -> Trial:
    """A trial with this rate."""
    return Trial(contender, workers, rate, 1000, 1.0, CORES, 350.0, wrong)


@pytest.fixture
def found() -> Results:
    """The figures of a made-up run."""
    trials = [trial(name, rate) for name, rate in (("ours", 10), ("ours", 30), ("ours", 20), ("limit", 80))]
    trials += [trial("quix_sink", 10), trial("quix_dataframe", 2), trial("quix_lua", 16)]
    trials += [trial("ours", 30, workers=2, wrong=1)]
    growth = [Grown(0, 0, trial("ours", 20)), Grown(10_000_000, 900_000_000, trial("ours", 18, wrong=2))]
    latencies = [Latency(5000, 5.0, 20.0, 30.0, 40.0, 100, 0, 4, CORES)]
    return results.results(Details("ctr bench", MACHINE, 1, 1000, 4, 400.0, 0.5, trials, latencies, growth))


def test_the_figures_have_the_names_that_are_asked_for() -> None:
    """Others read results.json by these keys."""
    assert Results.__struct_fields__ == KEYS


def test_ratios_are_of_medians(found: Results) -> None:
    """Ours over theirs; of Quix Streams the faster form, with Lua apart; two workers over one."""
    assert found.ours_events_per_second == 20
    assert (found.ratio_quix_lua, found.ratio_confluent_lua) == (1.25, None)
    assert (found.ratio_limit, found.ratio_quix, found.two_workers_ratio) == (0.25, 2.0, 1.5)
    assert (found.ratio_10m_entities, found.redis_bytes_per_entity, found.p99_ms_5000) == (0.9, 90.0, 20.0)


def test_growth_is_judged_by_what_ran_one_after_the_other() -> None:
    """The median of the pairs' ratios: a machine that slows down in between is in both of a pair."""
    rates = [(0, 10), (10_000_000, 9), (0, 20), (10_000_000, 10), (0, 30), (10_000_000, 30)]
    grown = [Grown(entities, 0, trial("ours", rate)) for entities, rate in rates]
    assert results.growth_ratio(grown, 10_000_000) == 0.9
    assert results.growth_ratio(grown, 5_000_000) is None


def test_what_was_left_out_has_no_figure(found: Results) -> None:
    """No contender, no ratio."""
    assert (found.ratio_faust_plain, found.ratio_confluent_loop, found.p99_ms_1000) == (None, None, None)


def test_the_latency_of_a_rate_is_that_of_its_middle_trial() -> None:
    """The trial with the median p99, each rate for itself."""
    trials = [
        Latency(rate, 5.0, p99, 90.0, 99.0, 100, 0, 0, CORES) for p99 in (30.0, 10.0, 20.0) for rate in (1000, 5000)
    ]
    assert [(one.events_per_second, one.p99) for one in results.middle(trials)] == [(1000, 20.0), (5000, 20.0)]


def test_mismatches_of_all_our_runs_are_added(found: Results) -> None:
    """Throughput, two workers, growth and latency."""
    assert found.parity_mismatches == 1 + 2 + 4


def test_results_survive_the_file(found: Results, tmp_path: Path) -> None:
    """What is saved is read back; the plot is drawn from it."""
    results.save(tmp_path / "results.json", found)
    assert results.saved(tmp_path / "results.json") == found
    show.plot(found, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 10_000


def test_capacity_grows_with_the_load() -> None:
    """By hand: 100,000 a second, with 60 % of 30,000 a worker and 4 us of Redis an impression."""
    need = capacity.need(COST, 100_000)
    assert (need.workers, need.partitions, need.redis_shards) == (6, 12, 1)
    assert need.redis_cores == pytest.approx(0.4)
    assert need.redis_gib == pytest.approx(100_000 * 86_400 * 3 * 0.5 * 80 / 2**30)
    assert capacity.first_limit(COST) == pytest.approx(175_000)


def test_the_page_keeps_its_text_and_gets_new_tables(
    found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what stands between the markers is rewritten; twice gives the same."""
    page, run = tmp_path / "capacity.md", tmp_path / "results.json"
    page.write_text("Before.\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nAfter.\n")
    results.save(run, found)
    monkeypatch.setattr("sys.argv", ["capacity", str(run), str(page)])
    capacity.main()
    written = page.read_text()
    assert written.startswith("Before.\n")
    assert written.endswith("\nAfter.\n")
    assert "old" not in written
    assert "| coefficient | measured |" in written
    capacity.main()
    assert page.read_text() == written
