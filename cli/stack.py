"""The command that keeps the embedded stack running."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.show import Broker, Json


def stack(
    broker: Broker = "auto",
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic.")] = 4,
    folder: Annotated[Path | None, typer.Option(help="Keep topics and counts here; else they go at the end.")] = None,
    env_file: Annotated[Path | None, typer.Option(help="Write the variables here, too, when all is ready.")] = None,
    as_json: Json = False,
) -> None:
    """Run a broker and a Redis on loopback, with the topics, until Ctrl-C; prints the variables that lead to them.

    Example: `ctr stack`, then in another terminal the printed exports and `ctr worker`
    """
    import signal

    from local import stack as local
    from local import topics
    from stream.settings import StreamSettings

    settings = StreamSettings()
    with local.running(
        broker=broker,
        folder=folder,
        kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        redis_url=os.environ.get("REDIS_URL"),
    ) as running:
        names = (settings.impressions_topic, settings.scores_topic, settings.dead_letters_topic)
        topics.create(running.bootstrap_servers, dict.fromkeys(names, partitions))
        variables = {"KAFKA_BOOTSTRAP_SERVERS": running.bootstrap_servers, "REDIS_URL": running.redis_url}
        show.result(f"{running.broker.name}, {running.redis.name}", variables, as_json)
        exports = "".join(f"export {name}={value}\n" for name, value in variables.items())
        if not as_json:
            print(exports, flush=True)
        if env_file:
            env_file.write_text(exports, encoding="utf-8")
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # after the servers' start: children inherit the mask
        signal.sigwait(ends)
