"""The command that makes the topics."""

from typing import Annotated

import typer

from cli import show
from cli.reach import reach
from cli.show import LOCAL_BROKER, Json, Servers


def topics(
    bootstrap_servers: Servers = LOCAL_BROKER,
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic that is made: the most workers.")] = 6,
    as_json: Json = False,
) -> None:
    """Make the three topics, those that are missing; topics that exist keep their partitions.

    Example: `ctr topics --partitions 12`
    """
    from local import topics as broker
    from stream.settings import StreamSettings

    connection = reach(bootstrap_servers)
    settings = StreamSettings()
    names = (settings.impressions_topic, settings.scores_topic, settings.dead_letters_topic)
    present = broker.present(bootstrap_servers, connection)
    missing = {name: partitions for name in names if name not in present}
    broker.create(bootstrap_servers, missing, connection=connection)
    show.result("Topics", {name: "made" if name in missing else "was there" for name in names}, as_json)
