"""The page as a file; tests/integration/test_api_browser.py tries it in a browser."""

import re

from api_client import serving

from schemas.impression import FIELDS


async def page() -> tuple[str, str]:
    """The page and its content security policy."""
    async with serving() as api:
        answer = await api.client.get("/")
        assert answer.headers["content-type"].startswith("text/html")
        return answer.text, answer.headers["content-security-policy"]


async def test_the_form_has_every_field_of_an_impression() -> None:
    """No field is forgotten when the schema grows."""
    text, _ = await page()
    groups = text[text.index("const GROUPS") : text.index("const HINTS")]
    lists = "".join(re.findall(r"\[.*?\]", groups))
    assert sorted(re.findall(r'"(\w+)"', lists)) == sorted(FIELDS)


async def test_nothing_is_loaded_from_elsewhere() -> None:
    """No address of another host; the policy allows the page's own script and style, and no others."""
    text, policy = await page()
    assert "//" not in re.sub(r"<!doctype.*?>|^\s*//.*$", "", text, flags=re.MULTILINE)
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy
