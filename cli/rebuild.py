"""The command that counts everything again."""

import asyncio
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli import show
from cli.reach import reach
from cli.show import LOCAL_BROKER, Json, Servers

if TYPE_CHECKING:
    from replay.rebuild import Rebuilt
    from store.settings import StoreSettings
    from stream.lag import Place


def rebuild(
    log: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV or Parquet log, or .parquet of `ctr consume`; several in order of time. Default: the topic."
        ),
    ] = None,
    bootstrap_servers: Servers = LOCAL_BROKER,
    topic: Annotated[str, typer.Option(envvar="IMPRESSIONS_TOPIC", help="Impressions topic.")] = "impressions",
    group: Annotated[str, typer.Option(envvar="CONSUMER_GROUP", help="Consumer group of the workers.")] = "ctr-stream",
    from_hour: Annotated[int, typer.Option(help="With --log: leave out what is before this hour, YYMMDDHH.")] = 0,
    as_json: Json = False,
) -> None:
    """Empty the counts in Redis and count again what the group has committed; then check every count.

    Workers must be stopped; what they scored and did not commit they count themselves when they start. A log must hold
    all that the group has committed, as far as the windows still reach. REDIS_URL and STORE_NAMESPACE say which counts.

    Example: `ctr rebuild --log impressions.parquet`
    """
    from store.settings import StoreSettings

    connection = reach(bootstrap_servers)
    places = _places(connection, topic, group)
    rebuilt = asyncio.run(_rebuild(StoreSettings(), connection, topic, places, log or [], from_hour))
    show.result("Rebuilt" if not rebuilt.count_errors else "COUNT ERRORS", msgspec.to_builtins(rebuilt), as_json)
    if rebuilt.count_errors:
        raise typer.Exit(1)


def _places(connection: Mapping[str, Any], topic: str, group: str) -> dict[int, "Place"]:
    """Where the group is in each partition; it must have no members."""
    from confluent_kafka.admin import AdminClient

    from stream import lag

    admin = AdminClient({**connection, "log_level": 0})
    found = admin.list_topics(topic, timeout=15).topics[topic]
    if found.error is not None:
        raise ValueError(f"{topic} at {connection['bootstrap.servers']}: {found.error}")
    members = admin.describe_consumer_groups([group])[group].result().members
    if members:
        raise ValueError(f"group {group} has {len(members)} members: stop the workers, they count at the same time")
    client = lag.client(connection, group)
    try:
        places = lag.places(client, [(topic, partition) for partition in found.partitions])
    finally:
        client.close()
    if places is None:
        raise ValueError(f"{connection['bootstrap.servers']} does not say where group {group} is")
    return {partition: place for (_, partition), place in places.items()}


async def _rebuild(
    settings: "StoreSettings",
    connection: Mapping[str, Any],
    topic: str,
    places: dict[int, "Place"],
    logs: list[Path],
    from_hour: int,
) -> "Rebuilt":
    from replay import consume
    from replay import rebuild as again
    from replay.log import values
    from store.client import connect
    from store.keyspace import Source

    committed = {partition: place.committed for partition, place in places.items()}
    if logs:
        chunks, total = again.of_log(chain.from_iterable(values(log, from_hour) for log in logs)), None
    else:
        chunks = again.of_topic(
            topic, consume.records(connection["bootstrap.servers"], topic, connection=connection), committed
        )
        total = sum(max(0, place.committed - place.begin) for place in places.values())
    fences = {Source(topic, partition): offset for partition, offset in committed.items()}
    client = connect(settings)
    try:
        with show.progress() as stage:
            return await again.rebuild(client, settings, chunks, fences, stage("count", total))
    finally:
        await client.aclose()
