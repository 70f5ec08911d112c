"""The command `ctr`."""

import os
import sys

import typer

from cli import api, bench, chaos, demo, judge, learn, rebuild, registry, stack, stream, topics, verify


def make_app() -> typer.Typer:
    """The command line: one function a command."""
    app = typer.Typer(
        name="ctr",
        help="Streaming click-through-rate scorer: Kafka in, counts in Redis, CatBoost in a Faust agent, scores out.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (
        learn.simulate,
        learn.train,
        judge.evaluate,
        judge.score_file,
        registry.track,
        registry.promote,
        stream.worker,
        stream.produce,
        stream.consume,
        api.api,
        api.requests,
        verify.verify,
        rebuild.rebuild,
        topics.topics,
        stack.stack,
        demo.demo,
        chaos.chaos,
        bench.bench,
    ):
        app.command()(command)
    return app


def main() -> None:
    """Run the command; what goes wrong is one line that says what and where. CTR_TRACEBACK=1 shows the code, too."""
    try:
        make_app()()
    except (ValueError, RuntimeError, OSError) as error:
        if os.environ.get("CTR_TRACEBACK"):
            raise
        sys.stderr.write(f"ctr: {' '.join(str(error).split())}\n")
        sys.exit(1)
