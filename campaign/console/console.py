"""What every page of the console has at hand."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from campaign.console.pages import Pages
from campaign.console.store import Store
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this console allows. `approval_over` is how many recipients need a second person; None is that none do."""

    approval_over: int | None = None
    most_upload_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """`folder` holds what was uploaded, the drafts and the store; only this user may read it. `settings` are those of `serve`."""

    folder: Path
    settings: Settings
    store: Store
    pages: Pages
    rules: Rules = Rules()


CONSOLE: Final = web.AppKey("console", Console)


def console_of(request: web.Request) -> Console:
    """The console that a request came to."""
    return request.app[CONSOLE]


def log(level: int, event: str, **details: object) -> None:
    """Note an event, if there is still somewhere to note it: a log without room must not keep people from their pages."""
    with suppress(OSError, ValueError):
        structlog.get_logger().log(level, event, **details)
