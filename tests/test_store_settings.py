"""Settings of the store: what is accepted and where it comes from."""

from pathlib import Path

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
    [("STORE_NAMESPACE", "a{b}"), ("STORE_TTL_HOURS", "24"), ("REDIS_TIMEOUT_SECONDS", "0")],
)
def test_what_would_break_the_store_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A namespace that breaks the hash tag, a day that dies before its window, no time to answer."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        StoreSettings()


def test_a_login_in_the_url_moves_to_where_it_is_not_shown() -> None:
    """URLs appear in logs and errors; the password in them does not."""
    settings = StoreSettings(redis_url="rediss://ctr:p%40ss@redis.example:6380/2")
    assert settings.redis_url == "rediss://redis.example:6380/2"
    assert (settings.redis_username, settings.redis_password.get_secret_value()) == ("ctr", "p@ss")
    assert "p@ss" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_the_password_s_own_variable_wins_over_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL from elsewhere may carry an old one."""
    monkeypatch.setenv("REDIS_URL", "redis://:old@r:1/0")
    monkeypatch.setenv("REDIS_PASSWORD", "new")
    settings = StoreSettings()
    assert (settings.redis_url, settings.redis_password.get_secret_value()) == ("redis://r:1/0", "new")


def test_an_error_does_not_repeat_what_was_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in a refused setting does not end in a log."""
    monkeypatch.setenv("REDIS_PASSWORD", "not for logs")
    monkeypatch.setenv("STORE_TTL_HOURS", "1")
    with pytest.raises(ValidationError) as error:
        StoreSettings()
    assert "not for logs" not in str(error.value)


def test_a_ca_file_without_tls_is_refused(tmp_path: Path) -> None:
    """Who gives one expects TLS."""
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ValidationError, match="REDIS_URL does not begin with rediss://"):
        StoreSettings(redis_ca_file=tmp_path / "ca.pem")
