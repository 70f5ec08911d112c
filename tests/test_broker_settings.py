"""Settings of Kafka: what belongs together, what clients are made of, and that secrets stay secret."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.clients import aiokafka, librdkafka
from broker.settings import BrokerSettings

PASSWORD = "not for logs"  # noqa: S105  # of nobody
LOGIN = {"kafka_username": "ctr", "kafka_password": PASSWORD}


def test_without_settings_clients_speak_plain() -> None:
    """The defaults work on one machine."""
    assert librdkafka(BrokerSettings()) == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "PLAINTEXT",
    }
    assert set(aiokafka(BrokerSettings())) == {"bootstrap_servers", "security_protocol"}


def test_login_and_tls_reach_both_client_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocol, mechanism, name, password and CA come from the environment."""
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    variables = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "ca_file": str(ca), **LOGIN}
    for name, value in variables.items():
        monkeypatch.setenv(f"KAFKA_{name.removeprefix('kafka_').upper()}", value)
    settings = BrokerSettings()
    assert librdkafka(settings) == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(ca),
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ctr",
        "sasl.password": PASSWORD,
    }
    ca.unlink()
    system = BrokerSettings(kafka_security_protocol="SASL_SSL", kafka_ca_file=None, **LOGIN)  # type: ignore[arg-type]
    options = aiokafka(system.model_copy(update={"kafka_ca_file": None}))
    assert options["ssl_context"].check_hostname
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("ctr", PASSWORD)


@pytest.mark.parametrize("missing", ["kafka_username", "kafka_password"])
def test_login_needs_both_name_and_password(missing: str) -> None:
    """The error names the protocol that needs them, and both variables."""
    given = {name: value for name, value in LOGIN.items() if name != missing}
    with pytest.raises(ValidationError, match=r"SASL_PLAINTEXT needs KAFKA_USERNAME and KAFKA_PASSWORD") as error:
        BrokerSettings(kafka_security_protocol="SASL_PLAINTEXT", **given)  # type: ignore[arg-type]
    assert PASSWORD not in str(error.value)


def test_a_ca_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found at the start, not at the first connection."""
    monkeypatch.setenv("KAFKA_CA_FILE", "/nowhere/ca.pem")
    with pytest.raises(ValidationError, match="kafka_ca_file"):
        BrokerSettings()


def test_the_password_is_not_shown() -> None:
    """Neither repr nor str nor a dump has it."""
    settings = BrokerSettings(**LOGIN)  # type: ignore[arg-type]
    assert PASSWORD not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_variable_set_to_nothing_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass variables on that have no value."""
    for name in ("KAFKA_CA_FILE", "KAFKA_SASL_MECHANISM", "KAFKA_SECURITY_PROTOCOL", "KAFKA_PASSWORD"):
        monkeypatch.setenv(name, "")
    assert BrokerSettings() == BrokerSettings.model_construct(**BrokerSettings().model_dump())
    assert BrokerSettings().kafka_ca_file is None
