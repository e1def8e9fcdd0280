"""What attends a command that nobody watches: the figures in a file, the end in a log, and a notice."""

import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from campaign.app.notices import Notice, check_notices, deliver, notice_of, notice_of_error
from campaign.app.session import Finished
from campaign.cli import logs
from campaign.cli.progress import RunProgress
from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, Settlement
from campaign.domain.notices import occasion_of
from campaign.domain.problems import fault_of, problem_of
from campaign.reporter.summary import in_a_line
from campaign.sender.port import Observer
from campaign.settings import Settings

if TYPE_CHECKING:
    from campaign.cli.gauges import Gauges


class Attendance:
    """One for a command's whole life.

    Args:
        settings: where figures and notices go.
        campaign: its name, as far as it is known before it is found.
    """

    def __init__(self, settings: Settings, campaign: str) -> None:
        structlog.contextvars.bind_contextvars(campaign=campaign)
        self._settings = settings
        self._campaign = campaign
        self._gauges = _gauges(settings.metrics_file, campaign)
        self._went_to_work = False

    def check(self) -> None:
        """See that what is asked for can be done.

        Raises:
            UsageError: notices can't be sent.
        """
        check_notices(self._settings.notify)

    def watch(self, campaign: str, counts: Counts) -> AbstractContextManager[Observer]:
        """`app.session.Front.watch`."""
        self._campaign, self._went_to_work = campaign, True
        progress = RunProgress(campaign, counts)
        return progress if self._gauges is None else _Both(progress, self._gauges.of(campaign, counts))

    def finished(self, finished: Finished) -> None:
        """The command has done what it does, and said so."""
        view = finished.view
        structlog.contextvars.bind_contextvars(campaign=view.record.spec.name)
        if not self._settings.json_output and not sys.stdout.isatty() and not finished.brief:
            go_on = next((line.strip() for line in finished.note.splitlines() if line.startswith("    campaign ")), "")
            sys.stdout.write(f"\n{in_a_line(view, go_on=go_on)}\n")
        if self._gauges is not None:
            self._gauges.ended(view.exit_code, counts=view.counts, campaign=view.record.spec.name)
        occasion = occasion_of(view.exit_code)
        # A job that found nothing to do has nothing to tell: what there was to say was said when there was.
        if self._went_to_work or view.counts.open:
            self._notify(notice_of(view, occasion, run=logs.run_id()))

    def broke_off(self, error: Exception, exit_code: int) -> None:
        """The command ended with an error, which has been told."""
        if self._gauges is not None:
            self._gauges.ended(exit_code)
        log = str(self._settings.log_file or "")
        what = problem_of(error) or fault_of(error) or error
        self._notify(notice_of_error(what, self._campaign, occasion_of(exit_code), run=logs.run_id(), log=log))

    def _notify(self, notice: Notice) -> None:
        settings = self._settings
        if not settings.notify or notice.occasion not in settings.notify_on:
            return
        # Whoever reads stdout has all of it before a service is waited for.
        sys.stdout.flush()
        log = structlog.get_logger()
        for delivery in deliver(notice, settings.notify, secret=_token(settings)):
            details: dict[str, Any] = {"number": delivery.number, "service": delivery.service, "occasion": notice.occasion.value}
            if delivery.why:
                sentence = f"Notice {delivery.number} ({delivery.service}) was not sent: {delivery.why}."
                logs.tell("notice_not_sent", sentence, **details)
            else:
                log.info("notice_sent", **details)


def _gauges(file: Path | None, campaign: str) -> "Gauges | None":
    if file is None:
        return None
    from campaign.cli.gauges import Gauges

    return Gauges(file, campaign)


class _Both:
    """Two observers, entered and left together."""

    def __init__(self, progress: RunProgress, gauges: "Gauges") -> None:
        self._observers = (progress, gauges)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for observer in self._observers:
            self._stack.enter_context(observer)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

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
