"""Logs that people can read while a broker is away: aiokafka says the same every 100 ms, for each connection."""

import logging
import time
from collections.abc import Callable

QUIET_SECONDS = 30.0
# Said as an error each time a group's coordinator moves or is not there yet. It is asked for again at once, and what a
# worker waits for longer it says itself (see status).
_PASSING = ("Group Coordinator Request failed: %s",)


class Sparse(logging.Filter):
    """Lets a message of a noisy logger through once in a while, and says how often it was held back.

    Args:
        prefix: of the names of the noisy loggers.
        clock: seconds, rising.
    """

    def __init__(self, prefix: str = "aiokafka", clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._prefix = prefix
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # message -> when it was let through, held back since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is let through."""
        if not record.name.startswith(self._prefix):
            return True
        if record.msg in _PASSING:
            record.levelno, record.levelname = logging.INFO, "INFO"
        message = (record.name, str(record.msg))  # the template: ports and times in it do not make it another one
        now = self._clock()
        at, held_back = self._seen.get(message, (-QUIET_SECONDS, 0))
        if now - at < QUIET_SECONDS:
            self._seen[message] = (at, held_back + 1)
            return False
        self._seen[message] = (now, 0)
        if held_back:
            record.msg = f"{record.msg} (and {held_back} times more in the last {QUIET_SECONDS:.0f} s)"
        return True


def quieten(logger: logging.Logger) -> None:
    """Make the handlers of a logger sparse."""
    sparse = Sparse()
    for handler in logger.handlers:
        handler.addFilter(sparse)
