"""How to reach Redis and what to keep there."""

from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Settings of the store, from environment variables of the same names."""

    # A variable that is set to nothing counts as not set; what was put in is never repeated in an error.
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey: redis://, rediss:// or unix://")
    redis_username: str = Field("", description="ACL user; the default user if not set")
    redis_password: SecretStr = Field(SecretStr(""), description="Of the user; one in the URL is taken from there")
    redis_ca_file: FilePath | None = Field(
        None, description="CA certificates (PEM) that sign Redis' certificate; the system's if not set"
    )
    redis_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for one answer of Redis")
    store_namespace: str = Field(
        "ctr", min_length=1, pattern=r"^[^{}]+$", description="Prefix of all keys; one per deployment on a shared Redis"
    )
    store_ttl_hours: int = Field(
        48, ge=25, description="How long a day of counts lives after its last write; 24 + the longest lag to survive"
    )

    @model_validator(mode="before")
    @classmethod
    def _take_secrets_out_of_the_url(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Addresses are shown in logs: what stands before the @ moves to where it is not."""
        url = urlsplit(str(given.get("redis_url", "")))
        login, at, place = url.netloc.rpartition("@")
        if not at:
            return given
        username, _, password = login.partition(":")
        found = {"redis_username": unquote(username), "redis_password": unquote(password)}
        return {**found, **given, "redis_url": url._replace(netloc=place).geturl()}

    @model_validator(mode="after")
    def _ca_file_is_of_use(self) -> Self:
        if self.redis_ca_file and not self.redis_url.startswith("rediss://"):
            raise ValueError("REDIS_CA_FILE is set, but REDIS_URL does not begin with rediss://")
        return self
