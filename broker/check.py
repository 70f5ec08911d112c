"""Whether Kafka lets us in: asked once at the start, so that a wrong setting is named instead of tried for ever."""

import socket
import time

from confluent_kafka import KafkaError, KafkaException, Producer

from broker.clients import librdkafka
from broker.settings import BrokerSettings

_STEP = 0.2


class RefusedError(ValueError):
    """Kafka does not take our settings: says which, and what Kafka said."""


def check(settings: BrokerSettings, seconds: float = 5) -> None:
    """Ask for the topics until Kafka answers or refuses; a Kafka that is not there is no refusal.

    Raises:
        RefusedError: it refused, or takes connections and does not answer on them.
    """
    said: list[KafkaError] = []
    client = Producer({**librdkafka(settings), "error_cb": said.append, "log_level": 0})
    servers = settings.kafka_bootstrap_servers
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client.list_topics(timeout=_STEP)
        except KafkaException:
            client.poll(0)  # delivers what error_cb is told
        else:
            return
        for error in said:
            wrong = _wrong_setting(error, settings)
            if wrong:
                raise RefusedError(f"{wrong}; {servers} says: {error.str()}")
        if said and not any(_takes_connections(server) for server in servers.split(",")):
            return
    if any(_takes_connections(server) for server in servers.split(",")):
        raise RefusedError(
            f"KAFKA_SECURITY_PROTOCOL: {servers} takes connections but does not answer to "
            f"{settings.kafka_security_protocol}; it speaks another one, or is still starting"
        )


def _wrong_setting(error: KafkaError, settings: BrokerSettings) -> str | None:
    said = error.str().lower()
    if error.code() == KafkaError._AUTHENTICATION:
        if "unsupported sasl mechanism" in said:
            return f"KAFKA_SASL_MECHANISM: {settings.kafka_sasl_mechanism} is not what the broker takes"
        return "KAFKA_USERNAME, KAFKA_PASSWORD: the broker does not take them"
    if "certificate" in said:
        return f"KAFKA_CA_FILE: {settings.kafka_ca_file or 'the system'} does not vouch for the broker's certificate"
    if error.code() == KafkaError._SSL:
        return f"KAFKA_SECURITY_PROTOCOL: {settings.kafka_security_protocol} is not what the broker speaks"
    return None


def _takes_connections(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False
