"""The bundle: saved and loaded bit for bit, refused when it is not what was saved or not what the code expects."""

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest

from features import ctr, definition
from features.ctr import Totals, Value
from model import bundle
from model.bundle import CARD, Bundle, BundleError
from schemas.impression import Impression
from trainer.fit import FitParameters
from trainer.train import train

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
FILES = ("model.cbm", "tables/C14.parquet", "tables/site_id_x_app_id_x_C14.parquet")


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the trained bundle, to spoil."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def edit_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the card as someone with an editor would."""
    card = json.loads((folder / CARD).read_bytes())
    change(card)
    (folder / CARD).write_text(json.dumps(card))


def refusal(folder: Path) -> str:
    """What loading is refused with; verify refuses with the same words."""
    with pytest.raises(BundleError) as loading:
        bundle.load(folder)
    with pytest.raises(BundleError) as verifying:
        bundle.verify(folder)
    assert str(loading.value) == str(verifying.value)
    return str(loading.value)


def impressions() -> list[Impression]:
    """Impressions with values that the tables know and values that they do not."""
    return [*fakes.click_log(40, seed=1), fakes.impression(site_id="never seen", C14=-77)]


def test_tables_come_back_as_they_were_saved(bundle_folder: Path, tmp_path: Path) -> None:
    """A loaded bundle looks up, for integers, texts and pairs, what the totals give, and the prior for the rest."""
    totals: dict[str, dict[Value, Totals]] = {table: {} for table in definition.TABLES}
    totals["C14"] = {20001: Totals(3, 7, -0.5), -5: Totals(0, 2)}
    totals["site_id"] = {"site0001": Totals(1, 9), "é": Totals(2, 2)}
    totals["site_id_x_app_id_x_C14"] = {
        ("site0001", "app00001", 20001): Totals(4, 4),
        ("site0001", "app00001", 2): Totals(1, 1),
    }
    model = bundle.CatBoostClassifier()
    model.load_model(str(bundle_folder / "model.cbm"))
    saved = bundle.save(
        tmp_path, model, totals, prior=0.25, weight=8.0, trained_from=1, trained_through=2, impressions=3, metrics={}
    )
    loaded = bundle.load(tmp_path)
    assert loaded.card == saved
    expected = definition.builder({table: ctr.table(known, 8.0) for table, known in totals.items()}, 0.25)
    shown = fakes.impression()
    assert loaded.build(shown, (0,) * 6) == expected(shown, (0,) * 6)
    assert loaded.build(shown, (0,) * 6)[definition.FEATURE_NAMES.index("ctr_C14")] == pytest.approx(1 / 3)


def test_loading_twice_gives_the_same_predictions(bundle_folder: Path, bundle_: Bundle) -> None:
    """Two loads of one folder have one version and agree on every probability, to the last bit."""
    again = bundle.load(bundle_folder)
    rows = [bundle_.build(shown, (1, 2, 3, 4, 5, 6)) for shown in impressions()]
    assert again.version == bundle_.version
    assert again.card == bundle_.card
    assert [again.build(shown, (1, 2, 3, 4, 5, 6)) for shown in impressions()] == rows
    assert again.predict(rows) == bundle_.predict(rows)


@pytest.mark.slow
def test_equal_training_gives_equal_files_and_an_equal_version(
    bundle_folder: Path, log_path: Path, tmp_path: Path
) -> None:
    """Training again with the same log and parameters writes the same bytes; other parameters another version."""
    train(log_path, 14102200, tmp_path / "again", FitParameters(iterations=20, depth=4))
    assert bundle.load(tmp_path / "again").version == bundle.load(bundle_folder).version
    for path in sorted(bundle_folder.rglob("*")):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(bundle_folder)).read_bytes() == path.read_bytes(), path.name
    train(log_path, 14102200, tmp_path / "other", FitParameters(iterations=20, depth=4, seed=1))
    assert bundle.load(tmp_path / "other").version != bundle.load(bundle_folder).version


def test_the_cards_shape(bundle_folder: Path) -> None:
    """The card has the fields, features, entities, windows and files that others read, in this order."""
    card = json.loads((bundle_folder / CARD).read_bytes())
    golden = json.loads((GOLDEN / "bundle_card.json").read_bytes())
    assert list(card) == golden["fields"]
    assert card["schema_version"] == golden["schema_version"]
    assert card["features"] == golden["features"]
    assert card["entities"] == golden["entities"]
    assert card["windows"] == golden["windows"]
    assert list(card["files"]) == golden["files"]
    assert sorted(card["metrics"]) == golden["metrics"]


def test_the_card_names_every_file(bundle_folder: Path) -> None:
    """Nothing lies in the folder that the card does not seal."""
    found = {str(path.relative_to(bundle_folder)) for path in bundle_folder.rglob("*") if path.is_file()}
    assert found == {CARD, *bundle.verify(bundle_folder).files}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, -1])
def test_a_changed_byte_is_refused(copy: Path, name: str, position: int) -> None:
    """One flipped bit in any file is found and the file named."""
    content = bytearray((copy / name).read_bytes())
    content[position] ^= 1
    (copy / name).write_bytes(bytes(content))
    assert str(copy / name) in refusal(copy)
    assert "SHA-256" in refusal(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    """A file that the card names and the folder lacks is named."""
    (copy / name).unlink()
    assert f"{copy / name}: named in bundle.json, but missing" in refusal(copy)


def test_a_missing_card_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A folder without a card is no bundle, and the message says how to make one."""
    assert refusal(tmp_path) == f"{tmp_path / CARD}: not found; train a bundle with `ctr train --out {tmp_path}`"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"schema_version": "1"}', b"\xff\xfe"])
def test_a_card_that_can_not_be_read_is_refused(copy: Path, content: bytes) -> None:
    """A card that is cut, empty or no card is named."""
    (copy / CARD).write_bytes(content)
    assert str(copy / CARD) in refusal(copy)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("schema_version", lambda card: card.update(schema_version=1)),
        ("features", lambda card: card["features"].pop()),
        ("features", lambda card: card["features"].append("ctr_new")),
        ("features", lambda card: card["features"].reverse()),
        ("entities", lambda card: card["entities"].remove("device_id")),
        ("windows", lambda card: card["windows"].update({"24h": 48})),
        ("windows", lambda card: card["windows"].update({"7d": 168})),
        ("files", lambda card: card["files"].pop("tables/C14.parquet")),
        ("files", lambda card: card["files"].update({"../model.cbm": "0"})),
    ],
)
def test_what_the_code_does_not_expect_is_refused(
    copy: Path, field: str, change: Callable[[dict[str, Any]], object]
) -> None:
    """A bundle of other features, entities, windows, files or another schema version names the field that differs."""
    edit_card(copy, change)
    message = refusal(copy)
    assert message.startswith(f"{copy / CARD}: {field}: the code has ")
    assert "train anew" in message


def test_another_card_is_another_version(copy: Path, bundle_: Bundle) -> None:
    """The version covers the card: a bundle with an edited prior does not pass for the one that was trained."""
    edit_card(copy, lambda card: card.update(prior=card["prior"] / 2))
    assert bundle.load(copy).version != bundle_.version


def test_saving_anew_takes_the_old_card_away_first(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that dies half way leaves no folder that passes for a bundle."""
    model = bundle.CatBoostClassifier()
    model.load_model(str(copy / "model.cbm"))

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(bundle, "write_tables", full)
    with pytest.raises(OSError, match="no space"):
        bundle.save(
            copy, model, {"C14": {}}, prior=0.2, weight=1, trained_from=1, trained_through=2, impressions=1, metrics={}
        )
    assert "not found" in refusal(copy)


def test_nothing_in_the_product_unpickles() -> None:
    """No module imports pickle, joblib, cloudpickle, dill or marshal, or asks numpy for pickles."""
    packages = ("schemas", "features", "store", "model", "stream", "trainer", "replay", "local", "cli", "api")
    sources = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(sources) > 40
    for path in sources:
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.partition(".")[0] for name in names}
            assert not roots & {"pickle", "joblib", "cloudpickle", "dill", "marshal", "shelve"}, path
