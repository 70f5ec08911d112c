"""The page where a person tries impressions: one file, with nothing loaded from elsewhere."""

import hashlib
import re
from base64 import b64encode
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from api import openapi


def router() -> APIRouter:
    """The page."""
    routes = APIRouter(tags=["page"])
    page = files("api").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors 'none'; script-src {_hashes(page, 'script')}; style-src {_hashes(page, 'style')}"
    )

    @routes.get("/", **openapi.GET_PAGE)
    async def show() -> Response:
        """A page to try impressions on."""
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    return routes


def _hashes(page: str, tag: str) -> str:
    """What the browser may run of the page: exactly what stands in it."""
    found = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found)
