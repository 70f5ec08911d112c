"""Why a message is rejected: the closed set of reasons that dead letters and metrics carry."""

from enum import StrEnum


class Reason(StrEnum):
    """Name of what is wrong with a message; stable, because consumers and alerts match on it."""

    TOMBSTONE = "tombstone"  # a null value
    EMPTY = "empty"  # zero bytes, or white space only
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    NULL_FIELD = "null_field"
    WRONG_TYPE = "wrong_type"
    NOT_A_NUMBER = "not_a_number"  # NaN or infinity, as a literal or as a string
    OUT_OF_RANGE = "out_of_range"
    TOO_LONG = "too_long"
    EMPTY_FIELD = "empty_field"
    WRONG_HOUR = "wrong_hour"
    SCORING_FAILED = "scoring_failed"  # an impression like any other, on which our own code failed


class RejectedError(ValueError):
    """A message that gets no score: the reason, the field where one is to blame, and the details."""

    def __init__(self, reason: Reason, field: str | None, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.reason = reason
        self.field = field
        self.detail = detail


class DecodeError(RejectedError):
    """A message that is no impression; the detail says what was expected and what came."""


class ScoringError(RejectedError):
    """An impression, counted, on which scoring itself failed; the detail is the last line of the traceback."""
