"""How commands reach Kafka: by the settings in the environment, which are checked first."""

from typing import Any


def reach(bootstrap_servers: str) -> dict[str, Any]:
    """What the clients of Kafka are made with.

    Raises:
        ValueError: the settings are wrong, or Kafka refuses them; says which.
    """
    from broker.check import check
    from broker.clients import librdkafka
    from broker.settings import BrokerSettings

    settings = BrokerSettings(kafka_bootstrap_servers=bootstrap_servers)
    check(settings)
    return librdkafka(settings)
