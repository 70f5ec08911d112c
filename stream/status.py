"""What a worker waits for: said once in the log, and for as long as it lasts in readiness and metrics.

The event loop writes, the threads of the health server and of the lag look on; plain assignments, safe between threads.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

logger = logging.getLogger(__name__)

QUIET_SECONDS = 30.0  # a server that comes and goes is said this often at the most


class Wait(NamedTuple):
    """One thing that is waited for."""

    what: str
    why: str
    since: float  # of the clock
    level: int  # of the log


class Status:
    """The waits of a worker. A worker is ready while it waits for nothing.

    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waits: dict[object, Wait] = {}
        self._said: dict[str, float] = {}  # when it was last said that something is waited for
        self._begun: dict[str, tuple[float, bool]] = {}  # since when it is waited for, and whether that was said

    def wait(self, who: object, what: str, why: str, level: int = logging.WARNING) -> None:
        """`who` waits for `what` now. The first one to wait for it is said, the others would say the same."""
        known, now = self._waits.get(who), self._clock()
        self._waits[who] = Wait(what, why, known.since if known else now, level)
        if what in self._begun:
            return
        is_said = now - self._said.get(what, -QUIET_SECONDS) >= QUIET_SECONDS
        self._begun[what] = (now, is_said)
        if is_said:
            self._said[what] = now
            logger.log(level, "waiting for %s: %s", what, why)

    def go_on(self, who: object) -> None:
        """`who` waits no longer."""
        ended = self._waits.pop(who, None)
        if ended is None or any(wait.what == ended.what for wait in self._waits.values()):
            return
        since, is_said = self._begun.pop(ended.what)
        if is_said:
            logger.log(ended.level, "waited %.1f s for %s", self._clock() - since, ended.what)

    def waits(self) -> dict[str, str]:
        """What is waited for, and why."""
        return {wait.what: wait.why for wait in list(self._waits.values())}
