"""The DVC pipeline from clean clones: reproducible, idle when nothing changed, shared through S3."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from model import bundle

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SMALL = {
    "simulate": {"rows": 3000, "hours": 30, "seed": 0, "audience": 0.001},
    "features": {"test_hours": 6, "weight": 20.0},
    "fit": {"iterations": 5, "depth": 3},
}
Clone = Callable[[str], Path]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server with the bucket `models`, to which the environment points."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield
    server.stop()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Makes a clean clone of the checkout's files as they are, with a small pipeline."""

    def clone(name: str) -> Path:
        folder = tmp_path / name
        listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
        files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        for file in filter(None, files):
            if (ROOT / file).is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, folder / file)
        parameters = msgspec.yaml.decode((folder / "params.yaml").read_bytes())
        (folder / "params.yaml").write_bytes(msgspec.yaml.encode(parameters | SMALL))
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        return folder

    return clone


def run(folder: Path, *command: str) -> str:
    """Run a command of the environment's in `folder`; what it printed."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_two_clones_make_the_same_and_share_it(clone: Clone, s3: None) -> None:
    """Same log and seed, same bundle to the bit; a second repro does nothing; push, wipe, pull gives it back."""
    one, other = clone("one"), clone("other")
    run(one, "dvc", "repro")
    made = bundle.verify(one / "out/pipeline/bundle")
    lock = (one / "dvc.lock").read_bytes()
    again = run(one, "dvc", "repro")
    assert "up to date" in again
    assert "Running stage" not in again
    assert (one / "dvc.lock").read_bytes() == lock

    run(other, "dvc", "repro")
    assert (other / "dvc.lock").read_bytes() == lock
    assert bundle.load(other / "out/pipeline/bundle").version == bundle.load(one / "out/pipeline/bundle").version

    run(one, "dvc", "remote", "add", "--local", "--default", "s3", "s3://models/ctr-stream")
    run(one, "dvc", "push")
    shutil.rmtree(one / "out")
    shutil.rmtree(one / ".dvc/cache")
    run(one, "dvc", "pull")
    assert bundle.verify(one / "out/pipeline/bundle") == made
    assert "up to date" in run(one, "dvc", "status")


def test_an_edit_of_the_features_trains_anew(clone: Clone) -> None:
    """Shared code is a dependency: what is built from it is out of date, the log is not."""
    folder = clone("one")
    run(folder, "dvc", "repro", "prepare")
    stale = run(folder, "dvc", "status")
    assert "build_features" in stale
    assert "prepare:" not in stale
    with (folder / "schemas/hours.py").open("a") as code:
        code.write("\n# edited\n")
    assert "prepare:" in run(folder, "dvc", "status")
