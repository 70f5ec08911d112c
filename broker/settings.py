"""How to reach Kafka."""

from typing import Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class BrokerSettings(BaseSettings):
    """Settings of every Kafka client, from environment variables of the same names."""

    # A variable that is set to nothing counts as not set; what was put in is never repeated in an error.
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers, host:port, comma separated")
    kafka_security_protocol: Protocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_ca_file: FilePath | None = Field(
        None, description="CA certificates (PEM) that sign the brokers' certificates; the system's if not set"
    )
    kafka_sasl_mechanism: Mechanism = Field("SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_username: str = Field("", description="Of SASL")
    kafka_password: SecretStr = Field(SecretStr(""), description="Of SASL")

    @model_validator(mode="after")
    def _has_what_its_protocol_needs(self) -> Self:
        if self.uses_sasl and not (self.kafka_username and self.kafka_password.get_secret_value()):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_USERNAME and KAFKA_PASSWORD"
            )
        return self

    @property
    def uses_sasl(self) -> bool:
        """Whether clients log in by name and password."""
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        """Whether what is sent is encrypted and the brokers' certificates are checked."""
        return self.kafka_security_protocol.endswith("SSL")
