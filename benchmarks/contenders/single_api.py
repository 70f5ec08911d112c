"""Our API without gathering: every request has a round trip and a predict call of its own."""

from dataclasses import replace

from fastapi import FastAPI

from api.app import make_app as make
from api.score import Scored
from api.service import service
from api.settings import ApiSettings
from model import bundle
from model.samples import samples
from schemas.impression import Impression
from store.client import connect
from store.peek import peeker
from store.settings import StoreSettings


def make_app() -> FastAPI:
    """The app; settings come from the environment."""
    settings, store_settings = ApiSettings(), StoreSettings()
    served = bundle.load(settings.bundle)
    peek = peeker(connect(store_settings), store_settings)
    parts = service(settings, served, samples(settings.bundle, served.card), peek)

    async def score_one(shown: Impression) -> Scored:
        (scored,) = await parts.score([shown])
        return scored

    return make(replace(parts, score_one=score_one))
