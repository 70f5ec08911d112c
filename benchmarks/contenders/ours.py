"""This project's worker, started by its own command; settings by the environment, as anyone would."""

import os
import sys

from benchmarks.contenders import options


def main() -> None:
    """Become `ctr worker`."""
    given = options.parse()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": given.bootstrap,
        "REDIS_URL": given.redis,
        "BUNDLE": str(given.bundle),
        "IMPRESSIONS_TOPIC": given.impressions,
        "SCORES_TOPIC": given.scores,
        "DEAD_LETTERS_TOPIC": f"{given.scores}-dead-letters",
        "CONSUMER_GROUP": given.group,
        "STORE_NAMESPACE": given.group,
    }
    os.execve(sys.executable, [sys.executable, "-m", "cli", "worker"], os.environ | settings)  # noqa: S606  # no shell


if __name__ == "__main__":
    main()
