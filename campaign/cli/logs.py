"""What happens, told on stderr: readable lines on a terminal, JSON elsewhere. The token and the message text are in none of them."""

import logging
import sys
from typing import Any

import structlog

from campaign.cli.harmless import harmless


def configure(level: str = "info") -> None:
    """Set the log up once per process.

    Raises:
        KeyError: no such level.
    """
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer(colors=terminal) if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
