"""What all tests share: how hypothesis runs, a small trained bundle, the real sample where it is present."""

from pathlib import Path

import fakes
import pytest
from hypothesis import HealthCheck, settings

from model import bundle
from model.bundle import Bundle
from trainer.fit import FitParameters
from trainer.train import train

# Nothing is timed: a slow machine is no failure. print_blob shows how to run a failure again.
settings.register_profile(
    "ctr", deadline=None, max_examples=60, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ctr")

SAMPLE = Path(__file__).parents[2] / "shared/data/avazu/sample.csv.gz"


@pytest.fixture(scope="session")
def log_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up labelled log of 30 hours."""
    return fakes.write_log(tmp_path_factory.mktemp("log") / "log.csv", fakes.click_log(1200))


@pytest.fixture(scope="session")
def bundle_folder(log_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the first day of that log. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    train(log_path, 14102200, folder, FitParameters(iterations=20, depth=4))
    return folder


@pytest.fixture(scope="session")
def bundle_(bundle_folder: Path) -> Bundle:
    """That bundle, loaded."""
    return bundle.load(bundle_folder)


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """The real sample of the Avazu log, which is not in the repository."""
    if not SAMPLE.is_file():
        pytest.skip(f"the sample of the Avazu log is not at {SAMPLE}")
    return SAMPLE
