"""Settings of the API."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Settings of the API, from environment variables of the same names."""

    model_config = SettingsConfigDict(frozen=True)

    bundle: Path = Field(Path("bundles/current"), description="Folder of the bundle to serve")
    model_name: str = Field("ctr", pattern=r"^[A-Za-z0-9._-]+$", description="The model's name in /v2/models/{name}")
    api_key: SecretStr = Field(
        SecretStr(""), description="Clients must send it as X-API-Key or Authorization: Bearer; empty lets all in"
    )
    api_degraded: bool = Field(
        False, description="While Redis is away, score with empty counts and say degraded: true, instead of 503"
    )
    api_max_body_bytes: int = Field(1_048_576, ge=1024, description="Longest request body; longer ones get 413")
    api_max_impressions: int = Field(1000, ge=1, description="Most impressions in one request; more get 422")
    api_max_waiting: int = Field(2000, ge=1, description="Single impressions waiting for a score; more get 503")
    api_cors_origins: str = Field(
        "", description="Origins whose pages may call the API, comma separated; none if empty"
    )
    api_log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="Log lines: json, pretty, or auto: pretty on a terminal, else json"
    )
    api_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level of log lines; debug says every request"
    )
