"""The API's log lines."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from api import logs
from api.settings import ApiSettings

UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the process's own: the next test finds it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in UVICORN}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = handlers, level
    for name, (own, propagate) in known.items():
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = own, propagate
    logging.getLogger("uvicorn.access").disabled = False


def test_json_lines_carry_event_level_time_and_request(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, for our own events and for those of libraries, each with the id of its request."""
    logs.configure(ApiSettings(api_log_format="json"))
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("api.counts").warning("redis_away", error="refused")
    logging.getLogger("uvicorn.error").info("up on %s", 8000)
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["error"]) == ("redis_away", "refused")
    assert (ours["level"], ours["logger"], ours["request_id"]) == ("warning", "api.counts", "r-1")
    assert (theirs["event"], theirs["logger"], theirs["request_id"]) == ("up on 8000", "uvicorn.error", "r-1")
    assert ours["timestamp"] <= theirs["timestamp"]


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_traceback_shows_no_values_of_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the code are there, who saw the ad is not."""
    logs.configure(ApiSettings(api_log_format=form))  # type: ignore[arg-type]
    device_ip = "-".join(["192", "0", "2", "77"])

    def fail(value: str) -> None:
        raise ArithmeticError(len(value))

    try:
        fail(device_ip)
    except ArithmeticError:
        structlog.get_logger("api").exception("fault")
    said = capsys.readouterr().err
    assert "ArithmeticError: 10" in said
    assert device_ip not in said


def test_the_level_is_kept_and_uvicorn_says_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below API_LOG_LEVEL, and uvicorn's line a request, are not written."""
    logs.configure(ApiSettings(api_log_format="json", api_log_level="warning"))
    structlog.get_logger("api").info("ready")
    logging.getLogger("uvicorn.access").error("GET /predict?device_ip=192.0.2.77")
    assert capsys.readouterr().err == ""
