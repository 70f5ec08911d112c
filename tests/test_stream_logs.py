"""One log line, not thousands."""

import logging

from stream.logs import QUIET_SECONDS, Sparse


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    """A log record."""
    return logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None)


def test_the_same_message_is_let_through_once_in_a_while() -> None:
    """Repetitions are held back, whatever stands in for the placeholders, and counted in the next one let through."""
    now = [0.0]
    sparse = Sparse(clock=lambda: now[0])
    assert sparse.filter(record("aiokafka.conn", "no connection to %s", "one"))
    assert not any(sparse.filter(record("aiokafka.conn", "no connection to %s", number)) for number in range(50))
    assert sparse.filter(record("aiokafka.conn", "something else"))
    now[0] = QUIET_SECONDS
    later = record("aiokafka.conn", "no connection to %s", "two")
    assert sparse.filter(later)
    assert later.getMessage() == f"no connection to two (and 50 times more in the last {QUIET_SECONDS:.0f} s)"


def test_other_loggers_are_left_alone() -> None:
    """What we say ourselves is never held back."""
    sparse = Sparse()
    assert all(sparse.filter(record("stream.keeper", "counted again")) for _ in range(3))


def test_a_coordinator_that_is_not_there_yet_is_no_error() -> None:
    """The first join to a fresh broker meets it each time; it is asked for again at once."""
    found = record("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed: %s", "not available")
    assert Sparse().filter(found)
    assert (found.levelno, found.levelname) == (logging.INFO, "INFO")
