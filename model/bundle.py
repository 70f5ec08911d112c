"""The bundle: the deployable artifact, a folder with model, lookup tables and the card that describes and seals them.

    model.cbm               CatBoost's own format
    tables/<table>.parquet  the table's fields, clicks, impressions, log_odds
    bundle.json             the card: feature names, entities, windows, prior, training window, metrics, hashes

No pickle. A folder that does not match the code or its own hashes is refused.
"""

import hashlib
from collections.abc import Container, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from catboost import CatBoostClassifier

from features import ctr, definition, keys, windows
from features.ctr import Value
from features.definition import Build
from model.drift import Spread, Spreads
from model.explain import Explain, explainer
from model.predict import Predict, predictor
from model.tables import Tables, read_tables, write_tables

SCHEMA_VERSION = 2
CARD = "bundle.json"
_MODEL = "model.cbm"
_TABLES = "tables"


class BundleError(ValueError):
    """A folder that is no bundle this code can serve: says which file or which field, and what was expected."""


class Card(msgspec.Struct, frozen=True):
    """What bundle.json holds."""

    schema_version: int
    features: tuple[str, ...]
    entities: tuple[str, ...]
    windows: dict[str, int]
    prior: float
    weight: float  # impressions that the prior is worth in the tables
    trained_from: int  # YYMMDDHH of the first and of the last hour learnt from
    trained_through: int
    impressions: int  # learnt from
    metrics: dict[str, float]
    files: dict[str, str]  # path in the folder -> SHA-256
    spreads: dict[str, Spread] = {}  # of each feature and of the score in training; without it no drift is seen


class Bundle(NamedTuple):
    """A loaded bundle, ready to serve."""

    version: str  # of this exact content: the beginning of the card's SHA-256
    card: Card
    build: Build
    predict: Predict
    explain: Explain
    tables: Mapping[str, Container[Value]]  # the values that each lookup table knows


def save(
    folder: Path,
    model: CatBoostClassifier,
    tables: Tables,
    *,
    prior: float,
    weight: float,
    trained_from: int,
    trained_through: int,
    impressions: int,
    metrics: Mapping[str, float],
    spreads: Spreads = MappingProxyType({}),
) -> Card:
    """Write a bundle; the card comes last, so that a folder with a card is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    model.save_model(str(folder / _MODEL))
    write_tables(folder / _TABLES, tables)
    paths = [_MODEL, *(table_path(table) for table in tables)]
    card = Card(
        schema_version=SCHEMA_VERSION,
        features=definition.FEATURE_NAMES,
        entities=tuple(keys.ENTITIES),
        windows=windows.WINDOWS,
        prior=prior,
        weight=weight,
        trained_from=trained_from,
        trained_through=trained_through,
        impressions=impressions,
        metrics=dict(metrics),
        files={path: _sha256(folder / path) for path in paths},
        spreads=dict(spreads),
    )
    (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    return card


def load(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: the folder is no bundle, its files are not those that were saved, or the code's features differ.
    """
    card = verify(folder)
    model = CatBoostClassifier()
    model.load_model(str(folder / _MODEL))
    tables = {name: ctr.table(totals, card.weight) for name, totals in read_tables(folder / _TABLES).items()}
    version = _sha256(folder / CARD)[:12]
    build = definition.builder(tables, card.prior)
    return Bundle(version, card, build, predictor(model), explainer(model), tables)


def verify(folder: Path) -> Card:
    """The card of a bundle whose files and features are as they should be.

    Raises:
        BundleError: see `load`.
    """
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
    except FileNotFoundError:
        raise BundleError(f"{folder / CARD}: not found; train a bundle with `ctr train --out {folder}`") from None
    except msgspec.DecodeError as error:
        raise BundleError(f"{folder / CARD}: {error}") from None
    _check(folder, "schema_version", card.schema_version, SCHEMA_VERSION)
    _check(folder, "features", card.features, definition.FEATURE_NAMES)
    _check(folder, "entities", card.entities, tuple(keys.ENTITIES))
    _check(folder, "windows", card.windows, windows.WINDOWS)
    _check(folder, "files", set(card.files), {_MODEL, *(table_path(table) for table in definition.TABLES)})
    for path, expected in card.files.items():
        if not (folder / path).is_file():
            raise BundleError(f"{folder / path}: named in {CARD}, but missing; copy the bundle anew")
        found = _sha256(folder / path)
        if found != expected:
            raise BundleError(f"{folder / path}: SHA-256 is {found}, {CARD} says {expected}; copy the bundle anew")
    return card


def _check(folder: Path, field: str, found: object, expected: object) -> None:
    if found != expected:
        raise BundleError(
            f"{folder / CARD}: {field}: the code has {expected}, the bundle {found}; "
            "train anew with this code or deploy the code it was trained with"
        )


def table_path(table: str) -> str:
    """Where a table's file lies in the folder."""
    return f"{_TABLES}/{table}.parquet"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
