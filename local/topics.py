"""Topics of a broker, made and waited for."""

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from local.errors import StackError

_SECONDS = 30
NOTHING: Mapping[str, Any] = MappingProxyType({})


def create(
    bootstrap_servers: str,
    partitions: Mapping[str, int],
    settings: Mapping[str, str] = NOTHING,
    connection: Mapping[str, Any] = NOTHING,
) -> None:
    """Create topics (one replica) and return when every partition has a leader; those that exist already are kept.

    Args:
        bootstrap_servers: Where the broker is.
        partitions: The number of partitions of each topic, by its name.
        settings: Of each topic, as Kafka names them.
        connection: Further settings of the client: TLS and login.

    Raises:
        StackError: A topic exists with another number of partitions, or has no leaders after half a minute.
        KafkaException: The broker refused, or is not there.
    """
    client = _client(bootstrap_servers, connection)
    wanted = [
        NewTopic(name, num_partitions=count, replication_factor=1, config=dict(settings))
        for name, count in partitions.items()
    ]
    for created in (client.create_topics(wanted, request_timeout=_SECONDS) if wanted else {}).values():
        try:
            created.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    deadline = time.monotonic() + _SECONDS
    while waiting := [name for name, count in partitions.items() if not _is_led(client, name, count)]:
        if time.monotonic() > deadline:
            raise StackError(f"Topics without a leader after {_SECONDS} s: {', '.join(waiting)}.")
        time.sleep(0.02)


def delete(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Delete topics; the broker frees their files by and by.

    Raises:
        KafkaException: The broker refused, or is not there.
    """
    client = _client(bootstrap_servers, NOTHING)  # named: its answers do not come when it is gone
    for deleted in client.delete_topics(list(names), request_timeout=_SECONDS).values():
        deleted.result()


def present(bootstrap_servers: str, connection: Mapping[str, Any] = NOTHING) -> set[str]:
    """The names of the topics that exist.

    Raises:
        KafkaException: The broker does not answer.
    """
    return set(_client(bootstrap_servers, connection).list_topics(timeout=_SECONDS).topics)


def cluster_id(bootstrap_servers: str, *, seconds: float = 5) -> str | None:
    """The id of the cluster that answers there; None if none does in time."""
    try:
        return str(_client(bootstrap_servers, NOTHING).list_topics(timeout=seconds).cluster_id)
    except KafkaException:
        return None


def _is_led(client: Any, name: str, count: int) -> bool:
    topic = client.list_topics(name, timeout=_SECONDS).topics[name]
    if topic.error is not None or any(partition.leader < 0 for partition in topic.partitions.values()):
        return False
    if len(topic.partitions) != count:
        raise StackError(f"Topic {name} exists with {len(topic.partitions)} partitions; {count} were asked for.")
    return True


def _client(bootstrap_servers: str, connection: Mapping[str, Any]) -> Any:
    return AdminClient({**connection, "bootstrap.servers": bootstrap_servers, "log_level": 0})
