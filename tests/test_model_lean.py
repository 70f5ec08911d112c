"""What serves scores runs without what trains."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.bundle import Bundle

pytestmark = pytest.mark.slow

TRAINING = ("pandas", "matplotlib", "plotly", "graphviz", "mlflow", "dvc", "sklearn")

WITHOUT = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)

sys.meta_path.insert(0, Missing())
"""
SERVE = """
from importlib import import_module
from pathlib import Path

for module in ("stream.app", "stream.worker", "api.app", "cli.app"):
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in ("api", "api.app"):
            raise
from model import bundle

served = bundle.load(Path(sys.argv[1]))
width = len(served.card.features)
print(served.version, served.predict([[1.0] * width, [3.0] * width]))
print([name for name in sys.modules if name.partition(".")[0] in TRAINING])
"""


def test_stream_and_api_import_and_predict_without_training_packages(bundle_folder: Path, bundle_: Bundle) -> None:
    """Where none of them is installed everything imports, and a prediction has the same bits."""
    code = f"{WITHOUT}\nTRAINING = {TRAINING}\n{SERVE}"
    ended = subprocess.run(
        [sys.executable, "-c", code, str(bundle_folder)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    width = len(bundle_.card.features)
    expected = bundle_.predict([[1.0] * width, [3.0] * width])  # type: ignore[list-item]
    assert ended.stdout.splitlines() == [f"{bundle_.version} {expected}", "[]"]


def test_the_images_requirements_leave_them_out() -> None:
    """requirements/serve.txt is what is installed in the images of stream and api."""
    lines = (Path(__file__).parents[1] / "requirements/serve.txt").read_text().splitlines()
    assert not {line.partition("==")[0] for line in lines if "==" in line} & set(TRAINING)
