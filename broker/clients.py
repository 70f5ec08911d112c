"""The settings of Kafka in the words of the client libraries that we use."""

import ssl
from typing import Any

from broker.settings import BrokerSettings


def librdkafka(settings: BrokerSettings) -> dict[str, Any]:
    """What confluent-kafka's clients are made with."""
    options = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.uses_tls and settings.kafka_ca_file:
        options["ssl.ca.location"] = str(settings.kafka_ca_file)
    if settings.uses_sasl:
        options |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_username,
            "sasl.password": settings.kafka_password.get_secret_value(),
        }
    return options


def aiokafka(settings: BrokerSettings) -> dict[str, Any]:
    """What aiokafka's clients are made with."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.uses_tls:
        options["ssl_context"] = ssl_context(settings)
    if settings.uses_sasl:
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def ssl_context(settings: BrokerSettings) -> ssl.SSLContext:
    """Checks certificates and host names, against KAFKA_CA_FILE or the system's CAs."""
    return ssl.create_default_context(cafile=settings.kafka_ca_file)
