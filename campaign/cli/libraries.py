"""What libraries have to say through Python's own log, such as asyncio or the reader of `.env`: events like any other, off a terminal."""

import logging
import sys
import traceback
from typing import Any


class TakeIn(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        # Imported only now, since --help needs none of it.
        import structlog

        from campaign.cli import logs

        if (sys.stderr.isatty() or not logs.is_ready()) and logging.lastResort is not None:
            logging.lastResort.handle(record)
            return
        details: dict[str, Any] = {"detail": record.getMessage(), "library": record.name}
        if record.exc_info:
            details["exception"] = [line for part in traceback.format_exception(*record.exc_info) for line in part.splitlines()]
        log = structlog.get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library", **details)
