"""A short chaos run: what `ctr chaos` does to real processes, at full length by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_counted_twice_while_things_die(tmp_path: Path) -> None:
    """Workers, Redis and broker are killed under load: every impression gets its score, every count is exact."""
    arguments = "--seed 11 --events 30000 --rate 1500 --workers 2 --kills 3 --redis-kills 1 --broker-kills 1"
    run = subprocess.run(
        [sys.executable, "-m", "cli", "chaos", *arguments.split(), "--out", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    logs = {log.name: log.read_text(encoding="utf-8")[-2000:] for log in tmp_path.glob("*.log")}
    assert run.returncode == 0, (run.stdout, run.stderr[-2000:], logs)
    found = json.loads(run.stdout)
    assert found["distinct_scores"] + found["dead_letters"] == found["impressions"] >= 30_300
    assert found["dead_letters"] == 300
    assert found["kills"] == 3
    wrong = ("lost", "count_errors", "differing_duplicates", "parity_mismatches")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
