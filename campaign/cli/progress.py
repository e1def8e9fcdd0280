"""How a run is going: a bar with rate, counts and ETA on a terminal, log lines elsewhere."""

import asyncio
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

import structlog
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from campaign.app.tally import Tally
from campaign.cli.happenings import event_in_words
from campaign.cli.logs import console
from campaign.domain.durations import words
from campaign.domain.model import Counts, Settlement, Status
from campaign.reporter.reasons import printable

LINE_SECONDS: Final = 1.0
WAITING_LINE_SECONDS: Final = 10.0
LONGEST_NAME: Final = 16
_SHOWN: Final = {
    Status.DELIVERED: "delivered",
    Status.ACCEPTED: "accepted",
    Status.NOT_DELIVERED: "not delivered",
    Status.FAILED: "failed",
    Status.UNKNOWN: "unknown",
}
_WARNINGS: Final = frozenset(
    {
        "backing_off",
        "unreachable",
        "rows_of_a_dead_runner",
        "worker_lost",
        "ledger_not_seen",
        "late_settlement_ignored",
        "others_use_the_token",
        "sending_without_baselines",
        "texts_are_not_shown_as_sent",
    }
)


class RunProgress:
    """`sender.port.Observer` for one run of a campaign; a context manager, entered inside the event loop.

    Args:
        campaign: its name.
        counts: where the rows stood when the run began.
    """

    def __init__(self, campaign: str, counts: Counts) -> None:
        # Everything that is begun from here on, threads included, says so in its events.
        structlog.contextvars.bind_contextvars(campaign=campaign)
        # Bound now, as it would be anew for each event.
        self._log = structlog.get_logger().bind()
        self._tally = Tally(counts, time.monotonic())
        self._line_at = 0.0
        self._changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._bar: _Bar | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), MofNCompleteColumn())
            self._bar = _Bar(*columns, TextColumn("{task.fields[pace]}", markup=False), console=console())
            self._task = self._bar.add_task(_shortened(campaign), total=counts.rows, pace="")

    def __enter__(self) -> Self:
        self._log.info("run_started", rows=self._tally.rows, left=self._tally.open)
        if self._bar is not None:
            self._bar.start()
        self._tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._bar is not None:
            self._draw(self._bar, time.monotonic())
            self._bar.stop()
        elif self._changed:
            self._line(time.monotonic())

    def settled(self, settlement: Settlement) -> None:
        outcome, row = settlement.outcome, settlement.claim.row
        self._tally.settled(outcome.status, time.monotonic())
        self._changed = True
        self._log.info(
            "settled",
            row=row,
            status=outcome.status.value,
            reason=outcome.reason,
            http_status=outcome.http_status,
            latency_ms=None if outcome.latency_seconds is None else round(outcome.latency_seconds * 1000),
        )
        self._log.debug("message", row=row, text=settlement.claim.message)

    def event(self, name: str, **details: Any) -> None:
        now = time.monotonic()
        said = event_in_words(name, **details)
        match name:
            case "standing":
                self._changed |= self._tally.stands(details["counts"], now)
                return
            case "read_back":
                self._tally.read_back(Status(details["status"]), now)
                self._changed = True
            case "rows_of_a_dead_runner":
                self._tally.lost(details["rows"])
            case "backing_off":
                self._tally.held(details["seconds"], said, now)
            case "throttled":
                self._tally.held(details["retry_after_seconds"] or 0.0, said, now)
            case "waiting_for_its_time":
                self._tally.closed(said)
            case _ if said:
                self._tally.noticed(said, now)
            case _:
                pass
        if name in _WARNINGS:
            self._log.warning(name, **details)
        else:
            self._log.info(name, **details)

    def _tick(self) -> None:
        now = time.monotonic()
        if self._bar is not None:
            self._draw(self._bar, now)
        elif self._changed:
            self._line(now)
        elif (waiting := self._tally.waiting(now)) and now - self._line_at >= WAITING_LINE_SECONDS:
            self._line_at = now
            self._log.info("waiting", left=self._tally.open, unknown=self._tally.by_status[Status.UNKNOWN], reason=waiting)
        # The loop's own timer: it needs nobody to settle anything.
        seconds = LINE_SECONDS if self._bar is None else 0.2
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _line(self, now: float) -> None:
        self._changed, self._line_at = False, now
        eta_seconds = self._tally.eta_seconds(now)
        self._log.info(
            "progress",
            left=self._tally.open,
            rate_per_second=round(self._tally.rate_per_second(now), 2),
            eta_seconds=None if eta_seconds is None else round(eta_seconds),
            **{status.value: count for status, count in self._tally.by_status.items() if count > 0},
        )

    def _draw(self, bar: "_Bar", now: float) -> None:
        tally = self._tally
        eta_seconds = tally.eta_seconds(now)
        pace = f"{tally.rate_per_second(now):.1f}/s" + (f", about {words(eta_seconds)} left" if eta_seconds is not None else "")
        counts = ", ".join(f"{tally.by_status[status]:,} {name}" for status, name in _SHOWN.items() if tally.by_status[status] > 0)
        bar.below = tuple(f"  {line}" for line in (counts, tally.notice(now), tally.waiting(now)) if line)
        bar.update(self._task, completed=tally.rows - tally.open, pace=pace)


class _Bar(Progress):
    """The bar, and lines below it that take no room from it."""

    below: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for line in self.below:
            yield Text(line, no_wrap=True, overflow="ellipsis")


def _shortened(name: str) -> str:
    """A name that leaves the bar its place on a terminal of 80 columns."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
