"""What happens, told on stderr: readable lines above the bar on a terminal, JSON elsewhere. The token is in none of them."""

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from campaign.insights import CampaignView

from campaign.cli.harmless import harmless


@functools.cache
def console() -> Console:
    """The terminal on stderr, shared by the bar and the log, so that neither tears the other."""
    return Console(stderr=True)


class _AboveTheBar:
    """structlog's logger on a terminal."""

    def msg(self, line: str) -> None:
        console().print(Text.from_ansi(line), soft_wrap=True)

    debug = info = warning = error = msg


def configure(level: str | None = None) -> None:
    """Set the log up once per process.

    Args:
        level: debug, info, warning or error; None is info, and on a terminal, where the bar tells the rest, warning.
    """
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if terminal:
        renderer = structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0, sort_keys=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[(level or ("warning" if terminal else "info")).upper()]
        ),
        logger_factory=(lambda *_: _AboveTheBar()) if terminal else structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def run_ended(view: "CampaignView") -> None:
    """The last event of a run: how it ended, and how many rows stand where."""
    from campaign.reporter.reasons import ended_in_words

    structlog.get_logger().info(
        "run_ended",
        campaign=view.record.spec.name,
        state=view.state.value,
        why=ended_in_words(view.record.ended) if view.counts.open else "",
        exit_code=view.exit_code,
        results=view.results,
        **{status.value: count for status, count in view.counts.by_status.items()},
    )


def tell(event: str, sentence: str) -> None:
    """Say something to whoever is there: a sentence on a terminal, an event elsewhere."""
    if sys.stderr.isatty():
        console().print(sentence, markup=False, highlight=False)
    else:
        structlog.get_logger().warning(event, detail=sentence)
