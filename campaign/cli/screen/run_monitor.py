"""Shows the progress of a run: a bar with rate, counts and ETA on a terminal, log lines elsewhere; the metrics file, and notices."""

import asyncio
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from campaign.app.notify.notice import Notice, check_notices, deliver, notice_of, notice_of_error
from campaign.app.progress import Tally
from campaign.app.session import CommandResult
from campaign.app.summary import in_a_line
from campaign.cli.logs import setup as logs
from campaign.cli.logs.setup import PRINTING, console
from campaign.cli.logs.sinks import describe_event
from campaign.domain.errors import UsageError, fault_of, problem_of
from campaign.domain.model import Counts, Settlement
from campaign.domain.notices import occasion_of
from campaign.domain.status import BY_OUTCOME, SENT_TO, Status
from campaign.domain.text.durations import words
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.sender.port import Observer
from campaign.settings import Settings

if TYPE_CHECKING:
    from campaign.cli.logs.metrics import MetricsWriter


LINE_SECONDS: Final = 1.0
WAITING_LINE_SECONDS: Final = 10.0
LONGEST_NAME: Final = 16
"""So that the bar fits on a terminal of 80 columns."""

_SHOWN: Final = tuple(status for status in BY_OUTCOME if status in SENT_TO)
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

    `counts` are those of the rows when the run began.
    """

    def __init__(self, campaign: str, counts: Counts) -> None:
        # All events from here on, including those of threads, name the campaign.
        structlog.contextvars.bind_contextvars(campaign=campaign)
        # Bound once, instead of for each event.
        self._log = structlog.get_logger().bind()
        self._tally = Tally(counts, time.monotonic())
        self._line_at = 0.0
        self._changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._bar: Bar | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            self._bar = new_bar()
            self._task = self._bar.add_task(sanitize_for_terminal(campaign, LONGEST_NAME), total=counts.rows, pace="")

    def __enter__(self) -> Self:
        self._log.info("run_started", rows=self._tally.rows, left=self._tally.open)
        if self._bar is not None:
            # Drawn before it is shown, so that the bar of a resumed run does not begin at 0.
            self._draw(self._bar, time.monotonic())
            self._bar.start()
        self._tick()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._bar is not None:
            self._draw(self._bar, time.monotonic(), ended=True)
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
        said = describe_event(name, **details)
        match name:
            case "standing":
                self._changed |= self._tally.take_over(details["counts"], now, ended=details.get("ended", False))
                return
            case _ if self._tally.event(name, details, now):
                self._changed = True
            case "backing_off":
                self._tally.held(details["seconds"], said, now)
            case "throttled":
                self._tally.held(details["retry_after_seconds"] or 0.0, said, now)
            case "waiting_for_its_time" | "waiting_for_passes" | "reading_passes":
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
        # The event loop's timer, so that the display changes even if nothing settles.
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

    def _draw(self, bar: "Bar", now: float, *, ended: bool = False) -> None:
        tally = self._tally
        eta_seconds = tally.eta_seconds(now)
        rate = f"{tally.rate_per_second(now):.1f}/s" + (f", about {words(max(1.0, eta_seconds))} left" if eta_seconds is not None else "")
        # The rate of sends only falls while passes are read back, as if the run were stuck. At the end it is that of the last seconds.
        pace = "" if ended else "reading back" if tally.only_reads else rate
        counts = ", ".join(f"{tally.by_status[status]:,} {status.info.label}" for status in _SHOWN if tally.by_status[status] > 0)
        bar.below = tuple(f"  {line}" for line in (counts, tally.notice(now), tally.waiting(now)) if line)
        bar.update(self._task, completed=tally.rows - tally.open, pace=pace)
        bar.refresh()


class ReadingProgress:
    """`sender.port.Observer` while passes are read before anything is sent; a context manager."""

    def __init__(self) -> None:
        self._log = structlog.get_logger().bind()
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def settled(self, settlement: Settlement) -> None:
        """Nothing is sent."""

    def event(self, name: str, **details: Any) -> None:
        if name == "reading_passes" and sys.stderr.isatty():
            self._draw(**details)
        elif name in _WARNINGS:
            self._log.warning(name, **details)
        else:
            self._log.info(name, **details)

    def _draw(self, *, done: int, of: int, rate_per_second: float, eta_seconds: int | None) -> None:
        if self._bar is None:
            self._bar = new_bar()
            self._task = self._bar.add_task("reading passes", total=of, pace="")
            self._bar.start()
        left = f", about {words(max(1, eta_seconds))} left" if eta_seconds is not None else ""
        self._bar.update(self._task, completed=done, pace=f"{rate_per_second:.1f}/s{left}")
        self._bar.refresh()


class Bar(Progress):
    """The bar, and lines below it that do not make it shorter. It changes when it is refreshed, and not by a thread of its own."""

    below: tuple[str, ...] = ()

    def start(self) -> None:
        with PRINTING:
            super().start()

    def stop(self) -> None:
        with PRINTING:
            super().stop()

    def refresh(self) -> None:
        with PRINTING:
            super().refresh()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for line in self.below:
            yield Text(line, no_wrap=True, overflow="ellipsis")


def new_bar() -> Bar:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), MofNCompleteColumn())
    return Bar(*columns, TextColumn("{task.fields[pace]}", markup=False), console=console(), auto_refresh=False)


class RunMonitor:
    """Shows the runs of one command, and reports its end.

    `campaign` is its name, as far as it is known before it is found.
    """

    def __init__(self, settings: Settings, campaign: str) -> None:
        structlog.contextvars.bind_contextvars(campaign=campaign)
        self._settings = settings
        self._campaign = campaign
        self._metrics = _metrics_writer(settings.metrics_file, campaign)
        self._went_to_work = False

    def check(self) -> None:
        """Check that notices can be sent; raises UsageError if not."""
        check_notices(self._settings.notify)

    def watch(self, campaign: str, counts: Counts) -> AbstractContextManager[Observer]:
        """`app.session.UserInterface.watch`."""
        self._campaign, self._went_to_work = campaign, True
        progress = RunProgress(campaign, counts)
        return progress if self._metrics is None else _Both(progress, self._metrics.of(campaign, counts))

    def finished(self, finished: CommandResult) -> None:
        """Report that the command has ended without an error; its output is printed already."""
        view = finished.view
        structlog.contextvars.bind_contextvars(campaign=view.record.spec.name)
        if not self._settings.json_output and not sys.stdout.isatty() and not finished.brief:
            sys.stdout.write(f"\n{in_a_line(view)}\n")
        if self._metrics is not None:
            self._metrics.ended(view.exit_code, counts=view.counts, campaign=view.record.spec.name)
        occasion = occasion_of(view.exit_code)
        # A job that found nothing to do sends no notice: the run that had something to do has sent it.
        if self._went_to_work or view.counts.open:
            self._notify(notice_of(view, occasion, run=logs.run_id()))

    def failed(self, error: Exception, exit_code: int) -> None:
        """Report that the command ended with an error, which is printed already."""
        if self._metrics is not None:
            self._metrics.ended(exit_code)
        log = str(self._settings.log_file or "")
        what = problem_of(error) or fault_of(error) or error
        self._notify(notice_of_error(what, self._campaign, occasion_of(exit_code), run=logs.run_id(), log=log))

    def _notify(self, notice: Notice) -> None:
        settings = self._settings
        if not settings.notify or notice.occasion not in settings.notify_on:
            return
        # Readers of stdout must not wait for a service.
        sys.stdout.flush()
        log = structlog.get_logger()
        for delivery in deliver(notice, settings.notify, secret=_token(settings)):
            details: dict[str, Any] = {"number": delivery.number, "service": delivery.service, "occasion": notice.occasion.value}
            if delivery.why:
                sentence = f"Notice {delivery.number} ({delivery.service}) was not sent: {delivery.why}."
                logs.tell("notice_not_sent", sentence, **details)
            else:
                log.info("notice_sent", **details)


def _metrics_writer(file: Path | None, campaign: str) -> "MetricsWriter | None":
    if file is None:
        return None
    from campaign.cli.logs.metrics import MetricsWriter

    return MetricsWriter(file, campaign)


class _Both:
    """Two observers as one."""

    def __init__(self, progress: RunProgress, metrics: "MetricsWriter") -> None:
        self._observers = (progress, metrics)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for observer in self._observers:
            self._stack.enter_context(observer)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def settled(self, settlement: Settlement) -> None:
        for observer in self._observers:
            observer.settled(settlement)

    def event(self, name: str, **details: object) -> None:
        for observer in self._observers:
            observer.event(name, **details)


def _token(settings: Settings) -> str:
    try:
        return settings.token()
    except UsageError:
        return ""
