"""The dead letter: a rejected message, its bytes and key untouched, the reason in its headers."""

import msgspec

from schemas.errors import RejectedError

Headers = list[tuple[str, bytes]]


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be scored and what is wrong with it."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def rejected(
    key: bytes | None, value: bytes | None, error: RejectedError, topic: str, partition: int, offset: int
) -> DeadLetter:
    """The dead letter of the message at (topic, partition, offset)."""
    headers = [
        ("reason", error.reason.encode()),
        ("field", (error.field or "").encode()),
        ("detail", error.detail.encode(errors="backslashreplace")),
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
    ]
    return DeadLetter(key, value, headers)
