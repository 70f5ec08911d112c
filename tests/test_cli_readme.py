"""The README keeps up with the settings."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from store.settings import StoreSettings
from stream.settings import StreamSettings

README = Path(__file__).parents[1] / "README.md"

FIELDS = [
    (settings, name) for settings in (StoreSettings, StreamSettings, ApiSettings) for name in settings.model_fields
]


@pytest.mark.parametrize(("settings", "name"), FIELDS, ids=[name.upper() for _, name in FIELDS])
def test_every_setting_is_in_the_readme_with_its_default(settings: type[BaseSettings], name: str) -> None:
    """The table of settings has a row with the variable's name and the default that the code has."""
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if f"`{name.upper()}`" in line]
    rows = [line for line in rows if line.lstrip().startswith("|")]
    assert len(rows) == 1, f"README.md has {len(rows)} table rows for `{name.upper()}`"
    default = settings.model_fields[name].default
    written = {"" if default is None else str(default), f"{default:g}" if isinstance(default, float) else str(default)}
    cells = [cell.strip().strip("`").replace(",", "") for cell in rows[0].strip().strip("|").split("|")]
    assert written & set(cells), f"README.md does not give the default {default} of {name.upper()}: {rows[0]}"


@pytest.mark.parametrize(("settings", "name"), FIELDS, ids=[name.upper() for _, name in FIELDS])
def test_every_setting_explains_itself(settings: type[BaseSettings], name: str) -> None:
    """Each field has a description and is frozen."""
    assert settings.model_fields[name].description
    assert settings.model_config["frozen"]
