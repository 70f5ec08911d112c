"""Structured logs: one line an event, JSON or for people, with the id of the request that it belongs to."""

import logging
import sys

import structlog
from structlog.typing import Processor

from api.settings import ApiSettings


def configure(settings: ApiSettings) -> None:
    """Make structlog's and the standard library's lines look alike; uvicorn's line a request is off."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    pretty = settings.api_log_format == "pretty" or (settings.api_log_format == "auto" and sys.stderr.isatty())
    shown: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if pretty:
        # Without the values of variables: they hold who saw the ad.
        shown.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        shown += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    stream = logging.StreamHandler()
    stream.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=shown))
    root = logging.getLogger()
    root.handlers = [stream]
    root.setLevel(settings.api_log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn has given them handlers of their own
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.access").disabled = True
