"""The bundle and its predictions."""

from model.lean import import_catboost

import_catboost()  # before any module here imports it
