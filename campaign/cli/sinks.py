"""Where events go: a file for programs, stderr for whoever is there."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from campaign.cli.happenings import event_in_words
from campaign.domain.errors import UsageError

SERIOUS: Final = frozenset({"warning", "error", "critical"})
_ONCE: Final = "If it happens again, only the log tells."
_FOR_FILES: Final = frozenset({"event", "detail", "level", "timestamp", "run", "campaign", "exception"})


class LogFile:
    """One of structlog's processors: adds each event to a file as a line of JSON, and lets only what is serious go on to stderr.

    A line is one write, so that processes may share the file. What can't be written any more, as on a full disk, is lost: no log
    stops a run.

    Raises:
        UsageError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = structlog.processors.JSONRenderer(ensure_ascii=False)
        _check_is_log(path)
        try:
            # A pipe that nobody reads must not hold the run up.
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600)
        except OSError as error:
            raise UsageError(
                f"The log can't be written to {path}: {os.strerror(error.errno or 0)}. Give --log-file another file.",
                code="log_not_writable",
                file=path,
            ) from None
        self.path = path

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:
        line = f"{self._render(logger, method, self._stamp(logger, method, dict(event)))!s}\n"
        with suppress(OSError):
            os.write(self._file, line.encode(errors="backslashreplace"))
        if event["level"] not in SERIOUS:
            raise structlog.DropEvent
        return event

    @property
    def open_to_others(self) -> bool:
        """Whether somebody else may read it, as an older file's mode may allow."""
        found = os.fstat(self._file)
        return stat.S_ISREG(found.st_mode) and bool(found.st_mode & 0o077)


def _check_is_log(path: Path) -> None:
    """See that nothing else is written into: a slip of the keyboard might name the list, or the ledger.

    Raises:
        UsageError: the file holds something else.
    """
    first = b""
    # One that may not be read may well be written, and to open a pipe for reading would wait for ever.
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                first = file.read(1)
    if first not in {b"", b"{"}:
        raise UsageError(
            f"The file {path} holds something else than a log, and is left as it is. Give --log-file another file.",
            code="not_a_log",
            file=path,
        )


def for_mails() -> Callable[[object, str, EventDict], str]:
    """The last of structlog's processors: what is serious in words, the first of each kind only, for the mail that cron makes of stderr."""
    told: set[str] = set()

    def render(_logger: object, _method: str, event: EventDict) -> str:
        if event["event"] in told:
            raise structlog.DropEvent
        told.add(event["event"])
        return f"campaign: {event.get('detail') or _in_words(event)}"

    return render


def for_terminals(_logger: object, _method: str, event: EventDict) -> EventDict:
    """One of structlog's processors: a warning as its sentence, if it has one; the run and the campaign, which the person knows, go."""
    if event["level"] in SERIOUS and (sentence := event.get("detail")):
        return {"event": sentence, "level": event["level"]}
    known = structlog.contextvars.get_contextvars()
    return {name: value for name, value in event.items() if name not in known}


def _in_words(event: EventDict) -> str:
    details: dict[str, Any] = {name: value for name, value in event.items() if name not in _FOR_FILES}
    if said := event_in_words(event["event"], **details):
        return f"{said[0].upper()}{said[1:]}. {_ONCE}"
    listed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items())
    return f"{event['event'].replace('_', ' ')}{': ' if listed else ''}{listed}. {_ONCE}"
