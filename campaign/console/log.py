"""The console's log."""

from contextlib import suppress

import structlog


def log(level: int, event: str, **details: object) -> None:
    """Note an event, if there is still somewhere to note it: a log without room must not keep people from their pages."""
    with suppress(OSError, ValueError):
        structlog.get_logger().log(level, event, **details)
