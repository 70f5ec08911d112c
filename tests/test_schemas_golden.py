"""The wire formats as they were agreed: a change of tests/golden is a change of the contract with others."""

import json
from pathlib import Path

import msgspec

from schemas import dead_letter, impression, score
from schemas.errors import DecodeError, Reason
from schemas.impression import Impression

GOLDEN = Path(__file__).parent / "golden"

IMPRESSION = Impression(
    id="9000000000000000001",
    hour=14102113,
    C1=1005,
    banner_pos=1,
    site_id="site0001",
    site_domain="domain01",
    site_category="catégorie",
    app_id='app"0001',
    app_domain="appdom01",
    app_category="appcat01",
    device_id="",
    device_ip="address1",
    device_model="model\\01",
    device_type=1,
    device_conn_type=2,
    C14=20001,
    C15=320,
    C16=50,
    C17=2001,
    C18=3,
    C19=39,
    C20=-1,
    C21=2147483647,
)

# Not features.windows.COUNT_NAMES: the format must not follow the code.
COUNTS = {
    "device_ip_count_1h": 1,
    "device_ip_count_24h": 20,
    "device_id_count_1h": 0,
    "device_id_count_24h": 0,
    "user_count_1h": 3,
    "user_count_24h": 4_000_000,
}


def test_an_impressions_bytes() -> None:
    """An impression is written as it always was: field order, no spaces, UTF-8 unescaped."""
    assert impression.encode(IMPRESSION) == (GOLDEN / "impression.json").read_bytes()


def test_an_old_impression_is_read() -> None:
    """An impression written by an earlier version means the same."""
    assert impression.decode((GOLDEN / "impression.json").read_bytes()) == IMPRESSION


def test_a_csv_producers_impression_is_read() -> None:
    """An impression with every number a string, unknown fields and a click means the same."""
    assert impression.decode((GOLDEN / "impression_from_csv.json").read_bytes()) == IMPRESSION


def test_a_scores_bytes() -> None:
    """A score is written as it always was, the count features last."""
    struct = score.struct_of(tuple(COUNTS))
    found = struct(
        id=IMPRESSION.id,
        device_ip=IMPRESSION.device_ip,
        click_proba=0.1234567890123456,
        model_version="0123456789ab",
        hour=IMPRESSION.hour,
        scored_at=1700000000.25,
        partition=3,
        offset=1234567890123,
        batch=42,
        **COUNTS,
    )
    golden = (GOLDEN / "score.json").read_bytes()
    assert msgspec.json.encode(found) == golden
    assert score.decode(golden, struct) == found


def test_a_dead_letters_headers() -> None:
    """The headers' names, order and bytes are as they always were."""
    error = DecodeError(Reason.OUT_OF_RANGE, "C17", "expected a 32-bit integer, got 1099511627776")
    letter = dead_letter.rejected(b"address1", b"{}", error, "impressions", 3, 1234567890123)
    golden = json.loads((GOLDEN / "dead_letter_headers.json").read_bytes())
    assert [[name, content.decode()] for name, content in letter.headers] == golden


def test_the_reasons_names() -> None:
    """Consumers and alerts match on the reasons: none is renamed or dropped."""
    assert [str(reason) for reason in Reason] == json.loads((GOLDEN / "reasons.json").read_bytes())
