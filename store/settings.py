"""How to reach Redis and what to keep there."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Settings of the store, from environment variables of the same names."""

    model_config = SettingsConfigDict(frozen=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey: redis://, rediss:// or unix://")
    redis_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for one answer of Redis")
    store_namespace: str = Field(
        "ctr", min_length=1, pattern=r"^[^{}]+$", description="Prefix of all keys; one per deployment on a shared Redis"
    )
    store_ttl_hours: int = Field(
        48, ge=25, description="How long a day of counts lives after its last write; 24 + the longest lag to survive"
    )
