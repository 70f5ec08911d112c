"""The simulated click log: reproducible, in the log's schema, and alike in what matters to a scorer."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from schemas.impression import FIELDS, NULL_DEVICE_ID, decode
from trainer.simulate import BAYES_NE, CLICK_RATE, COLUMNS, click_probability, entropy, rows_by_hour, simulate
from trainer.simulated_draws import Hash, assign, falling
from trainer.simulated_hour import draw_hour, earlier
from trainer.simulated_world import make_world

pytestmark = pytest.mark.slow

ROWS, HOURS = 60_000, 30


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A log of 60,000 rows in 30 hours, dense in returning users, and its truth."""
    folder = tmp_path_factory.mktemp("simulated")
    out, truth = folder / "log.csv", folder / "truth.csv"
    simulate(out, truth, rows=ROWS, seed=7, hours=HOURS, audience=0.01)
    return out, truth


@pytest.fixture(scope="module")
def log(paths: tuple[Path, Path]) -> pd.DataFrame:
    """That log, every value as the text that was written."""
    return pd.read_csv(paths[0], dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def true_proba(paths: tuple[Path, Path], log: pd.DataFrame) -> pd.Series:
    """The truth of that log, whose ids are the log's, in its order."""
    truth = pd.read_csv(paths[1], dtype={"id": str})
    assert list(truth.columns) == ["id", "true_proba"]
    assert truth["id"].equals(log["id"])
    return truth["true_proba"]


def written(folder: Path, *, seed: int = 1, name: str = "log.csv") -> bytes:
    """The bytes of a small log."""
    simulate(folder / name, folder / "truth.csv", rows=2_000, seed=seed, hours=5)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Log and truth depend on the arguments only, compressed or not."""
    first, first_truth = written(tmp_path, name=name), (tmp_path / "truth.csv").read_bytes()
    assert written(tmp_path, name=name) == first
    assert (tmp_path / "truth.csv").read_bytes() == first_truth


def test_another_seed_gives_another_log(tmp_path: Path) -> None:
    """Ids and ips of two seeds have nothing in common."""
    written(tmp_path, seed=1, name="one.csv")
    written(tmp_path, seed=2, name="other.csv")
    one, other = pd.read_csv(tmp_path / "one.csv"), pd.read_csv(tmp_path / "other.csv")
    assert not set(one["id"]) & set(other["id"])
    assert not set(one["device_ip"]) & set(other["device_ip"])


def test_gzip_and_plain_have_the_same_rows(tmp_path: Path) -> None:
    """A path ending in .gz changes the packing only."""
    assert gzip.decompress(written(tmp_path, name="log.csv.gz")) == written(tmp_path)


def test_the_columns_are_the_logs(paths: tuple[Path, Path], log: pd.DataFrame) -> None:
    """24 columns in Avazu's order, which are the schema's fields and the click."""
    header = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
    header += "device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n"
    with paths[0].open() as lines:
        assert lines.readline() == header
    assert set(COLUMNS) == {*FIELDS, "click"}
    assert len(log) == ROWS


def test_values_are_the_logs_kind(log: pd.DataFrame) -> None:
    """Names are 8 hexadecimal characters, ids decimal with up to 20 digits, all the others integers."""
    for name in COLUMNS:
        names = name.endswith(("_id", "_domain", "_category", "_ip", "_model"))
        pattern = r"[0-9a-f]{8}" if names else r"\d{1,20}" if name == "id" else r"-1|\d{1,8}"
        assert log[name].str.fullmatch(pattern).all(), name


def test_rows_are_impressions(log: pd.DataFrame) -> None:
    """The schema that the scorer decodes with accepts rows from all over the log."""
    for row in log.drop(columns="click").iloc[::500].to_dict("records"):
        assert decode(json.dumps(row).encode()).device_ip == row["device_ip"]


def test_ids_are_unique(log: pd.DataFrame) -> None:
    """No id occurs twice."""
    assert log["id"].is_unique


def test_hours_are_in_order_and_none_is_missing(log: pd.DataFrame) -> None:
    """Time goes from the start through every hour, over midnight."""
    stamps = pd.date_range("2014-10-21", periods=HOURS, freq="h").strftime("%y%m%d%H")
    assert log["hour"].is_monotonic_increasing
    assert log["hour"].unique().tolist() == stamps.tolist()


def test_the_start_may_be_any_hour(tmp_path: Path) -> None:
    """A log that starts late in a year goes on in the next."""
    simulate(tmp_path / "log.csv", None, rows=500, seed=1, hours=3, start="14123123")
    assert pd.read_csv(tmp_path / "log.csv", dtype=str)["hour"].unique().tolist() == [
        "14123123",
        "15010100",
        "15010101",
    ]


def test_clicks_are_drawn_with_the_true_probability(log: pd.DataFrame, true_proba: pd.Series) -> None:
    """Clicks agree with the truth within four standard errors: overall and in each tenth of the probabilities."""
    click = log["click"].astype(int)
    for tenth in (pd.Series(0, index=click.index), pd.qcut(true_proba, 10, labels=False)):
        surplus = (click - true_proba).groupby(tenth).sum()
        error = (true_proba * (1 - true_proba)).groupby(tenth).sum() ** 0.5
        assert (surplus.abs() < 4 * error).all()


def test_the_click_rate_and_the_best_possible_score_are_calibrated(true_proba: pd.Series) -> None:
    """The mean probability is near .17 and the truth's normalised entropy near BAYES_NE."""
    rate = true_proba.mean()
    assert rate == pytest.approx(CLICK_RATE, abs=0.01)
    assert entropy(true_proba.to_numpy()).mean() / entropy(np.array(rate)) == pytest.approx(BAYES_NE, abs=0.015)


def test_an_impression_is_on_a_site_or_in_an_app(log: pd.DataFrame) -> None:
    """Exactly one of site and app is the log's null, whose domain and category then are null too."""
    in_app, on_site = log["site_id"] == "85f751fd", log["app_id"] == "ecad2386"
    assert (in_app != on_site).all()
    assert in_app.mean() == pytest.approx(0.378, abs=0.02)
    assert set(log.loc[in_app, "site_domain"] + log.loc[in_app, "site_category"]) == {"c4e18dd650e219e0"}
    assert set(log.loc[on_site, "app_domain"] + log.loc[on_site, "app_category"]) == {"7801e8d907d7df22"}


def test_most_device_ids_are_null(log: pd.DataFrame) -> None:
    """The null device id has about the share it has in the log, more of it on sites than in apps."""
    null = log["device_id"] == NULL_DEVICE_ID
    assert 0.79 < null.mean() < 0.83
    assert null[log["app_id"] == "ecad2386"].mean() > 0.9
    assert null[log["site_id"] == "85f751fd"].mean() < 0.65


def test_few_ips_have_many_impressions(log: pd.DataFrame) -> None:
    """The tail is heavy: gateways lead, while most ips have a handful of impressions."""
    counts = log["device_ip"].value_counts()
    assert counts.iloc[0] > 200
    assert counts.iloc[:100].sum() > 0.04 * ROWS
    assert counts.median() <= 3


def test_a_log_as_thin_as_the_sample_has_as_many_users(tmp_path: Path) -> None:
    """Of 23,299 rows in 34 hours, distinct ips and device ids are within 5 % of the real sample's of that size."""
    simulate(tmp_path / "log.csv", None, rows=23_299, seed=1, hours=34)
    thin = pd.read_csv(tmp_path / "log.csv")
    assert thin["device_ip"].nunique() == pytest.approx(19_929, rel=0.05)
    assert thin["device_id"].nunique() == pytest.approx(4_247, rel=0.05)


def test_clicks_get_rarer_with_repeated_impressions(log: pd.DataFrame, true_proba: pd.Series) -> None:
    """Users tire within an hour: the counts carry a signal."""
    before = log.groupby(["device_ip", "device_model", "hour"]).cumcount()
    rate = true_proba.groupby(before.clip(upper=3)).mean()
    assert (before > 0).mean() > 0.05
    assert rate.is_monotonic_decreasing
    assert rate[3] < 0.8 * rate[0]


def test_creatives_come_and_belong_to_one_campaign(log: pd.DataFrame) -> None:
    """Later hours show creatives unseen before; a C14 has one C17, and a C17 one C21."""
    late = log["hour"] >= "14102200"
    assert 0.05 < 1 - log.loc[late, "C14"].isin(log.loc[~late, "C14"]).mean() < 0.5
    assert log.groupby("C14")["C17"].nunique().max() == 1
    assert log.groupby("C17")["C21"].nunique().max() == 1


def test_publishers_and_campaigns_say_much_of_each_other(log: pd.DataFrame) -> None:
    """Of two impressions of a publisher, a third or more share the campaign; of any two, few do: as in the real log."""
    publisher = log["site_id"] + log["app_id"]
    within = sum(pairs(campaigns) for _, campaigns in log["C17"].groupby(publisher))
    alike = within / sum(n * (n - 1) for n in publisher.value_counts())
    assert alike > 0.3
    assert pairs(log["C17"]) / (ROWS * (ROWS - 1)) < 0.08


def pairs(values: pd.Series) -> int:
    """Ordered pairs of equal values."""
    return sum(n * (n - 1) for n in values.value_counts())


def test_individuality_is_in_the_truth_and_leaves_the_click_rate(tmp_path: Path, true_proba: pd.Series) -> None:
    """What no column tells spreads the true probabilities about the same mean."""
    simulate(
        tmp_path / "log.csv", tmp_path / "truth.csv", rows=ROWS, seed=7, hours=HOURS, audience=0.01, individuality=1
    )
    spread = pd.read_csv(tmp_path / "truth.csv")["true_proba"]
    assert spread.mean() == pytest.approx(true_proba.mean(), abs=0.005)
    assert entropy(spread.to_numpy()).mean() < entropy(true_proba.to_numpy()).mean() - 0.005
    assert np.corrcoef(spread, true_proba)[0, 1] < 0.97


def test_progress_counts_rows_and_the_log_appears_when_complete(tmp_path: Path) -> None:
    """Progress is told of each hour's rows, all rows in the end; until then the log has another name."""
    out, seen = tmp_path / "log.csv", []

    def progress(rows: int) -> None:
        seen.append(rows)
        assert not out.exists()

    simulate(out, None, rows=1_000, seed=1, hours=4, progress=progress)
    assert len(seen) == 4
    assert sum(seen) == 1_000
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_log_may_have_fewer_rows_than_hours(tmp_path: Path) -> None:
    """Hours without rows are skipped."""
    simulate(tmp_path / "log.csv", None, rows=1, seed=0, hours=48)
    assert len(pd.read_csv(tmp_path / "log.csv")) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 0}, "at least one row and one hour, got rows=0"),
        ({"hours": 0}, "at least one row and one hour.*hours=0"),
        ({"seed": -1}, "seed must not be negative.*seed=-1"),
        ({"audience": 0.0}, "audience must be above 0"),
        ({"start": "2014-10-21"}, "hour YYMMDDHH.*'2014-10-21'"),
        ({"start": "14102124"}, "hour YYMMDDHH.*'14102124'"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    """The message names what is wrong, and no file is left."""
    arguments: dict[str, object] = {"rows": 10, "seed": 1, "hours": 1} | wrong
    with pytest.raises(ValueError, match=message):
        simulate(tmp_path / "log.csv", None, **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_rows_are_split_over_the_hours_by_the_days_rhythm() -> None:
    """All rows are given out, whatever the rounding; mornings get more than nights."""
    counts = rows_by_hour(1_000_003, seed=3, hours=240, first_hour=0)
    assert counts.sum() == 1_000_003
    by_clock = counts.reshape(10, 24).mean(axis=0)
    assert by_clock[4:10].min() > 1.5 * by_clock[20:24].max()


def test_earlier_counts_the_same_key_before_each_place() -> None:
    """The counts are of previous occurrences."""
    assert earlier(np.array([5, 9, 5, 5, 9, 0], dtype=np.uint64)).tolist() == [0, 0, 1, 2, 1, 0]


def test_an_hour_can_be_drawn_alone() -> None:
    """An hour does not depend on the hours drawn before it."""
    world = make_world(seed=1, hours=24, audience=1.0)
    alone = draw_hour(world, 5, 300)
    draw_hour(world, 4, 300)
    again = draw_hour(world, 5, 300)
    assert np.array_equal(alone.log_odds, again.log_odds)
    assert np.array_equal(
        click_probability(world, alone.log_odds, alone.own), click_probability(world, again.log_odds, again.own)
    )


def test_every_class_is_assigned_and_has_its_share() -> None:
    """Classes get their share of the weight, and the rarest still get something."""
    weight, shares = falling(2_000, 0.2, 0.1), np.array([0.7, 0.3, 1e-9])
    chosen = assign(np.random.default_rng(1), weight, shares)
    assert np.bincount(chosen, weight)[:2] == pytest.approx([0.7, 0.3], abs=0.02)
    assert (chosen == 2).sum() == 1


def test_hashed_numbers_have_the_stated_distributions() -> None:
    """Uniform ones fill [0, 1), bell-shaped ones have mean 0 and deviation 1, bits never collide."""
    keys = np.arange(200_000, dtype=np.uint64)
    uniform, bell = Hash(3).uniform(keys, "test"), Hash(3).bell(keys, "test")
    assert (uniform.min(), uniform.mean(), uniform.max()) == pytest.approx((0, 0.5, 1), abs=0.005)
    assert (bell.mean(), bell.std()) == pytest.approx((0, 1), abs=0.01)
    assert len(np.unique(Hash(3).bits(keys, "test"))) == len(keys)
    assert abs(np.corrcoef(uniform, Hash(3).uniform(keys, "other"))[0, 1]) < 0.01
