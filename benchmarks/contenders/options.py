"""The command line that all contenders share."""

import argparse
from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True):
    """Where a contender reads and writes."""

    bootstrap: str
    redis: str
    bundle: Path
    impressions: str  # topic read, from its beginning
    scores: str  # topic written
    group: str  # consumer group, and the prefix of what is kept in Redis


def parse() -> Options:
    """The options of this process."""
    parser = argparse.ArgumentParser()
    for name in Options.__struct_fields__:
        parser.add_argument(f"--{name}", required=True)
    return msgspec.convert(vars(parser.parse_args()), Options, dec_hook=lambda kind, value: kind(value))


def arguments(options: Options) -> list[str]:
    """The command line that `parse` understands."""
    return [word for name in options.__struct_fields__ for word in (f"--{name}", str(getattr(options, name)))]
