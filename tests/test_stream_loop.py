"""The event loop of a worker."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_SHOW = "import asyncio; from stream.app import use_uvloop; {}; print(type(asyncio.new_event_loop()).__module__)"


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")
@pytest.mark.parametrize(
    ("begin", "module"),
    [
        ("use_uvloop()", "uvloop"),
        ("import sys; sys.modules['uvloop'] = None; use_uvloop()", "asyncio.unix_events"),
    ],
    ids=["uvloop", "without it"],
)
def test_a_program_gets_uvloop_where_there_is_one(begin: str, module: str) -> None:
    """The loops made after use_uvloop() are uvloop's, and asyncio's where it is not installed."""
    ended = subprocess.run([sys.executable, "-c", _SHOW.format(begin)], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == module
