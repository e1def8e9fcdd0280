"""Sets up the log on stderr: readable lines above the bar on a terminal, JSON elsewhere, or in a file. None contains the token."""

import functools
import logging
import secrets
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

    from campaign.insights import CampaignView


PRINTING: Final = threading.RLock()
"""Held while something is printed on the terminal: rich reads where the bar stands before it prints, so two threads would tear it."""

_EXPECTED: Final[list[str | None]] = []
"""The level of a log that is set up at its first event; most commands that only read have none."""


@functools.cache
def console() -> "Console":
    """The terminal on stderr, shared by the bar and the log, so that neither tears the other."""
    from rich.console import Console

    return Console(stderr=True)


@functools.cache
def run_id() -> str:
    """The id of this process in its events; sorts by time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"


class TerminalLogger:
    """The structlog logger on a terminal."""

    def msg(self, line: str) -> None:
        from rich.text import Text

        with PRINTING:
            console().print(Text.from_ansi(line), soft_wrap=True)

    debug = info = warning = error = msg


def expect(level: str | None = None) -> None:
    """Have `configure` called at the first event: loading its modules takes longer than reading the ledger."""
    _EXPECTED[:] = [level]


def is_ready() -> bool:
    """Whether there is a log; sets up an expected one. Call it before logging in any other way than by `tell`."""
    import structlog

    # Uses a copy, as another thread may do the same at the same time.
    for level in tuple(_EXPECTED):
        configure(level)
    return structlog.is_configured()


def configure(level: str | None = None, *, file: Path | None = None) -> None:
    """Set up the log; the last call counts.

    Args:
        level: debug, info, warning or error; None is info, but warning on a terminal without `file`, as the bar shows the rest.
        file: where the log goes, as JSON. stderr then gets only serious events, as sentences.

    Raises:
        UsageError: the file can't be written.
    """
    import structlog

    from campaign.cli.logs.sinks import LogFile, for_mails, for_terminals, sanitize

    terminal = sys.stderr.isatty()
    log_file = LogFile(file) if file is not None else None
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal)
    to_stderr: list[Any] = [stamp, structlog.processors.JSONRenderer(ensure_ascii=False)]
    if terminal:
        to_stderr = [for_terminals, stamp, structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0, sort_keys=False)]
    elif log_file is not None:
        to_stderr = [for_mails()]
    default = "warning" if terminal and log_file is None else "info"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            sanitize,
            *([log_file] if log_file is not None else []),
            *to_stderr,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[(level or default).upper()]),
        logger_factory=(lambda *_: TerminalLogger()) if terminal else structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Cleared only now: until the log is set up, structlog would print to stdout, where results go.
    _EXPECTED.clear()
    structlog.contextvars.bind_contextvars(run=run_id())
    if log_file is not None and log_file.open_to_others:
        tell("log_file_is_open", f"Other users can read the log {log_file.path}. A new one would be readable by you alone.")


def run_ended(view: "CampaignView") -> None:
    """Log the last event of a run: how it ended, and the counts of the rows."""
    import structlog

    from campaign.domain.model import CampaignState
    from campaign.domain.text.reasons import ended_in_words

    # A campaign that was only staged has not ended.
    was_sent = view.counts.open and view.state is not CampaignState.STAGED
    structlog.get_logger().info(
        "run_ended",
        campaign=view.record.spec.name,
        state=view.state.value,
        why=ended_in_words(view.record.ended) if was_sent else "",
        exit_code=view.exit_code,
        results=view.results,
        **{status.value: count for status, count in view.counts.by_status.items()},
    )


def tell(event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None:
    """Report something: a sentence on a terminal, an event elsewhere."""
    if sys.stderr.isatty():
        with PRINTING:
            console().print(sentence, markup=False, highlight=False)
    else:
        import structlog

        is_ready()
        structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, detail=sentence, **details)


class StdlibLogHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        # Imported only now, as --help does not need it.
        import structlog

        if (sys.stderr.isatty() or not is_ready()) and logging.lastResort is not None:
            logging.lastResort.handle(record)
            return
        details: dict[str, Any] = {"detail": record.getMessage(), "library": record.name}
        if record.exc_info:
            details["exception"] = [line for part in traceback.format_exception(*record.exc_info) for line in part.splitlines()]
        log = structlog.get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library", **details)
