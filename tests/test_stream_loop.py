"""The event loop of a worker."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_SHOW = """
import asyncio, sys
from store.settings import StoreSettings
from stream.app import use_uvloop
from stream.settings import StreamSettings
{0}
login = dict(kafka_username="ctr", kafka_password="x") if "SASL" in "{1}" else {{}}
use_uvloop(StreamSettings(kafka_security_protocol="{1}", **login), StoreSettings(redis_url="{2}"))
print(type(asyncio.new_event_loop()).__module__)
"""
_REDIS, _REDIS_TLS = "redis://127.0.0.1:6379/0", "rediss://127.0.0.1:6379/0"


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")
@pytest.mark.parametrize(
    ("begin", "protocol", "redis_url", "module"),
    [
        ("", "PLAINTEXT", _REDIS, "uvloop"),
        ("", "SASL_PLAINTEXT", _REDIS, "uvloop"),
        ("sys.modules['uvloop'] = None", "PLAINTEXT", _REDIS, "asyncio.unix_events"),
        ("", "SSL", _REDIS, "asyncio.unix_events"),
        ("", "SASL_SSL", _REDIS, "asyncio.unix_events"),
        ("", "PLAINTEXT", _REDIS_TLS, "asyncio.unix_events"),
    ],
    ids=["plain", "login", "without it", "TLS to Kafka", "TLS and login", "TLS to Redis"],
)
def test_a_program_gets_uvloop_where_there_is_one_and_no_tls(
    begin: str, protocol: str, redis_url: str, module: str
) -> None:
    """The loops made after use_uvloop() are uvloop's, but asyncio's where it is not installed or TLS would hang."""
    command = [sys.executable, "-c", _SHOW.format(begin, protocol, redis_url)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == module
