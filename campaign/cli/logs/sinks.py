"""Formats events: as sentences for people, without control characters for terminals, and as JSON for a file."""

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from campaign.domain.errors import UsageError
from campaign.domain.schedule import moment_in_words
from campaign.domain.text.durations import words
from campaign.domain.text.lines import capitalized, rows, sanitize_for_terminal
from campaign.domain.text.reasons import reason_in_words

_UNREACHABLE: Final = frozenset({"dns", "connect", "connect_timeout", "tls"})

_MESSAGES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "backing_off": lambda details: (
        "PassEntry can't be reached" if details["reason"] in _UNREACHABLE else reason_in_words(details["reason"])
    ),
    "throttled": lambda _: "PassEntry throttles the requests",
    "others_use_the_token": lambda details: (
        f"others use the token, at {details['per_second']:g} a second; this run continues at {details['left_per_second']:g}"
    ),
    "sending_without_baselines": lambda details: (
        f"passes can't be read, so messages are sent without --baseline for {details['seconds']:.0f} s"
    ),
    "texts_are_not_shown_as_sent": lambda _: "PassEntry does not show texts as they were sent, so unknown rows can't be verified",
    "reading_passes": lambda details: f"reading which passes are in a wallet: {details['done']:,} of {details['of']:,}{_pace(details)}",
    "pass_list_not_used": lambda details: f"the list of passes can't be used, so each pass is read by itself: {details['reason']}",
    "rows_of_a_dead_runner": lambda details: (
        f"a process that sent this campaign was killed or cut off: the passes of {rows(details['rows'])} that it was sending are read back"
    ),
    "worker_lost": lambda _: "a worker was lost and is replaced; its sends under way are verified",
    "ledger_not_seen": lambda _: "the ledger does not answer",
    "waiting_for_passes": lambda details: details["why"].removesuffix("."),
    "waiting_for_its_time": lambda details: f"outside the time to send: this continues at {_moment(details['until'])}",
}


def _pace(details: Mapping[str, Any]) -> str:
    left = "" if details["eta_seconds"] is None else f", about {words(max(1, details['eta_seconds']))} left"
    return f", {details['rate_per_second']:.1f}/s{left}" if details["rate_per_second"] else ""


def describe_event(event: str, **details: Any) -> str:
    """A sentence for an event of a run, without a full stop; empty if the event is only about rows, or is reported elsewhere."""
    words = _MESSAGES.get(event)
    return "" if words is None else words(details)


def _moment(iso: str) -> str:
    """A time in this machine's time zone, in words."""
    at = datetime.fromisoformat(iso).astimezone()
    return moment_in_words(at, now=datetime.now(UTC), in_zone=at.tzinfo or UTC)


PRIVATE: Final = frozenset({"message", "token"})
"""Details that are never logged."""


def sanitize(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: removes private details, and makes texts printable and single-line."""
    return {sanitize_for_terminal(name): _sanitized(value) for name, value in event.items() if name not in PRIVATE}


def _sanitized(value: Any) -> Any:
    if isinstance(value, list):
        return [_sanitized(part) for part in value]
    return sanitize_for_terminal(value) if isinstance(value, str) else value


SERIOUS: Final = frozenset({"warning", "error", "critical"})
_ONCE: Final = "Further occurrences are only logged."
_FOR_FILES: Final = frozenset({"event", "detail", "level", "timestamp", "run", "campaign", "exception"})


class LogFile:
    """A structlog processor: adds each event to a file as a line of JSON, and passes on only serious events, to stderr.

    Each line is one write, so that processes may share the file. A line that can't be written, as on a full disk, is lost: no log stops a
    run.

    Raises:
        UsageError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = structlog.processors.JSONRenderer(ensure_ascii=False)
        _check_is_log(path)
        try:
            # A pipe that nobody reads must not delay the run.
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
        """Whether other users may read the file, as the mode of an older file may allow."""
        found = os.fstat(self._file)
        return stat.S_ISREG(found.st_mode) and bool(found.st_mode & 0o077)


def _check_is_log(path: Path) -> None:
    """Check that the file is a log: a typing error might name the list or the ledger.

    Raises:
        UsageError: the file holds something else.
    """
    first = b""
    # A file that can't be read may still be written. A pipe is not opened, as opening it for reading would wait for ever.
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                first = file.read(1)
    if first not in {b"", b"{"}:
        raise UsageError(
            f"{path} is not a log file, so it was not changed. Give --log-file another file.",
            code="not_a_log",
            file=path,
        )


def for_mails() -> Callable[[object, str, EventDict], str]:
    """The last structlog processor: serious events as sentences, only the first of each kind, for the mail that cron makes of stderr."""
    shown: set[str] = set()

    def render(_logger: object, _method: str, event: EventDict) -> str:
        if event["event"] in shown:
            raise structlog.DropEvent
        shown.add(event["event"])
        return f"campaign: {event.get('detail') or _sentence(event)}"

    return render


def for_terminals(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: a warning becomes its sentence, if it has one. Removes the run and the campaign, which the person knows."""
    if event["level"] in SERIOUS and (sentence := event.get("detail") or _for_a_person(event)):
        return {"event": sentence, "level": event["level"]}
    known = structlog.contextvars.get_contextvars()
    return {name: value for name, value in event.items() if name not in known}


def _for_a_person(event: EventDict) -> str:
    """The sentence of an event that has one."""
    said = describe_event(event["event"], **{name: value for name, value in event.items() if name not in _FOR_FILES})
    again = f"; trying again in {event['seconds']:g} s" if event["event"] == "backing_off" else ""
    return f"{capitalized(said)}{again}." if said else ""


def _sentence(event: EventDict) -> str:
    details: dict[str, Any] = {name: value for name, value in event.items() if name not in _FOR_FILES}
    if said := describe_event(event["event"], **details):
        return f"{capitalized(said)}. {_ONCE}"
    listed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items())
    return f"{event['event'].replace('_', ' ')}{': ' if listed else ''}{listed}. {_ONCE}"
