"""What Kafka and Redis of the embedded stack need to speak TLS and to ask for a login."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Secured:
    """A server's certificate and the one user whom it lets in.

    Attributes:
        certificate: PEM, for 127.0.0.1.
        key: PEM (PKCS #8), its private key, without a passphrase.
        username: Of the user.
        password: Of the user.
    """

    certificate: Path
    key: Path
    username: str
    password: str = field(repr=False)
