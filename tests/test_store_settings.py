"""Settings of the store: what is accepted and where it comes from."""

import pytest
from pydantic import ValidationError

from store.settings import StoreSettings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field is read from the variable of its name in upper case."""
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/2")
    monkeypatch.setenv("STORE_NAMESPACE", "other")
    monkeypatch.setenv("STORE_TTL_HOURS", "72")
    monkeypatch.setenv("REDIS_TIMEOUT_SECONDS", "0.5")
    settings = StoreSettings()
    assert (settings.redis_url, settings.store_namespace) == ("redis://elsewhere:1/2", "other")
    assert (settings.store_ttl_hours, settings.redis_timeout_seconds) == (72, 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("STORE_NAMESPACE", ""), ("STORE_NAMESPACE", "a{b}"), ("STORE_TTL_HOURS", "24"), ("REDIS_TIMEOUT_SECONDS", "0")],
)
def test_what_would_break_the_store_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A namespace that breaks the hash tag, a day that dies before its window, no time to answer."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        StoreSettings()
