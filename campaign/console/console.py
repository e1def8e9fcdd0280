"""The shared state of all pages of the console."""

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
    """The limits of this console. With more than `approval_over` recipients, a second person has to approve; None is never."""

    approval_over: int | None = None
    most_upload_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """`folder` has the uploads, the drafts and the store; only this user may read it. `settings` are those of `serve`."""

    folder: Path
    settings: Settings
    store: Store
    pages: Pages
    rules: Rules = Rules()


CONSOLE: Final = web.AppKey("console", Console)


def console_of(request: web.Request) -> Console:
    return request.app[CONSOLE]


def log(level: int, event: str, **details: object) -> None:
    """Log an event, if possible: a log on a full disk must not keep people from their pages."""
    with suppress(OSError, ValueError):
        structlog.get_logger().log(level, event, **details)
