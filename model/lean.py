"""CatBoost without pandas: servers have no use for it, and it costs each of their processes 50 MB of memory.

CatBoost's Python part takes pandas as optional. Its compiled core (1.2.10) imports two of its classes all the same, to
ask whether an input is one of them: here none ever is. requirements/serve.excludes leaves pandas out of the images.
"""

import sys
from importlib import import_module
from types import ModuleType


def import_catboost() -> None:
    """Import CatBoost, with two empty classes where pandas would be; nothing is changed where pandas is installed."""
    try:
        import_module("pandas")
    except ImportError:
        pandas = ModuleType("pandas")
        pandas.DataFrame, pandas.Series = type("DataFrame", (), {}), type("Series", (), {})  # type: ignore[attr-defined]
        sys.modules["pandas"] = pandas
        try:
            import_module("catboost")
        finally:
            del sys.modules["pandas"]  # pyarrow and others look for the real one
