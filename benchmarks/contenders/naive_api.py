"""GET /predict as one writes it on the first day: a count a round trip, a pandas frame, the model read per request."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import redis.asyncio
from catboost import CatBoostClassifier
from fastapi import FastAPI, Request

from features.definition import FEATURE_NAMES
from features.keys import keys
from features.windows import State, days_of, peek
from model import bundle
from schemas import hours
from schemas.impression import from_mapping
from store import keyspace
from store.batch import unpack
from store.settings import StoreSettings


def make_app() -> FastAPI:
    """The app; settings come from the environment, as ours do."""
    folder, settings = Path(os.environ["BUNDLE"]), StoreSettings()
    served = bundle.load(folder)  # the tables at least are kept
    client = redis.asyncio.Redis.from_url(settings.redis_url)
    app = FastAPI()

    @app.get("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        shown = from_mapping(request.query_params)
        hour, state = hours.index(shown.hour), State()
        for key in filter(None, keys(shown)):
            for day in days_of(hour):
                found: Any = await client.hget(keyspace.day(settings.store_namespace, day), key)
                if found:
                    state.setdefault(key, {}).update(unpack(found.decode(), day * 24))
        counts = peek(state, keys(shown), hour)
        frame = pd.DataFrame([served.build(shown, counts)], columns=list(FEATURE_NAMES), dtype="float32")
        model = CatBoostClassifier()
        model.load_model(str(folder / "model.cbm"))
        return {"id": shown.id, "device_ip": shown.device_ip, "click_proba": float(model.predict_proba(frame)[0, 1])}

    return app
