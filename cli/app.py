"""The command `ctr`."""

import sys

import typer

from cli import demo, learn, stack, stream, verify

# By name, so that `ctr --help` need not import what defines them.
EXPECTED_ERRORS = {
    "BundleError",
    "ConsumeError",
    "LogError",
    "MissingError",
    "ProduceError",
    "StackError",
    "ValidationError",
    "WorkersError",
}


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
        stream.worker,
        stream.produce,
        stream.consume,
        verify.verify,
        stack.stack,
        demo.demo,
    ):
        app.command()(command)
    return app


def main() -> None:
    """Run the command; an error of the user's or of the surroundings is one line, anything else a traceback."""
    try:
        make_app()()
    except (ValueError, RuntimeError, OSError) as error:
        if type(error).__name__ not in EXPECTED_ERRORS:
            raise
        sys.stderr.write(f"ctr: {error}\n")
        sys.exit(1)
