"""Keeps the metrics file up to date while a run lasts, in a separate thread: a disk that is slow, full or gone does not delay a run."""

import asyncio
import contextvars
import queue
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from campaign.app.progress import Tally
from campaign.cli.logs.metrics import Figures, write_metrics
from campaign.cli.logs.setup import tell
from campaign.domain.model import Counts, Settlement
from campaign.domain.status import Status

OUTCOMES: Final = ("delivered", "not_delivered", "failed", "unknown", "retried", "throttled")
EVERY_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 5.0
"""How long the command waits at its end for the last write."""


class MetricsWriter:
    """`sender.port.Observer` of a command's runs, and a context manager around each, entered inside the event loop.

    Args:
        file: the metrics file.
        campaign: its name, as far as it is known before it is found.
        every_seconds: how often the file is written while a run lasts.
    """

    def __init__(self, file: Path, campaign: str, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._writer = _Writer(file)
        self._campaign = campaign
        self._every_seconds = every_seconds
        self._sends: Counter[str] = Counter()
        self._tally: Tally | None = None
        self._timer: asyncio.TimerHandle | None = None

    def of(self, campaign: str, counts: Counts) -> Self:
        """This observer, set up for a run of a campaign with these counts."""
        self._campaign = campaign
        self._tally = Tally(counts, time.monotonic())
        return self

    def __enter__(self) -> Self:
        self._tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def settled(self, settlement: Settlement) -> None:
        status = settlement.outcome.status
        self._sends["retried" if status is Status.PENDING else status.value] += 1
        if self._tally is not None:
            self._tally.settled(status, time.monotonic())

    def event(self, name: str, **details: Any) -> None:
        if self._tally is not None:
            self._tally.event(name, details, time.monotonic())
            self._sends["throttled"] += name == "throttled"

    def ended(self, exit_code: int, *, counts: Counts | None = None, campaign: str | None = None) -> None:
        """Write the file a last time at the end of the command, and wait up to PATIENCE_SECONDS for that."""
        rows = dict(counts.by_status) if counts is not None else self._rows()
        self._writer.end(self._figures(campaign or self._campaign, rows, exit_code=exit_code))

    def _tick(self) -> None:
        now = time.monotonic()
        rate_per_second = self._tally.rate_per_second(now) if self._tally is not None else 0.0
        self._writer.offer(self._figures(self._campaign, self._rows(), rate_per_second=rate_per_second))
        self._timer = asyncio.get_running_loop().call_later(self._every_seconds, self._tick)

    def _rows(self) -> dict[Status, int]:
        return {status: self._tally.by_status[status] for status in Status} if self._tally is not None else {}

    def _figures(self, campaign: str, rows: dict[Status, int], *, rate_per_second: float = 0.0, exit_code: int | None = None) -> Figures:
        return Figures(
            campaign=campaign,
            at=time.time(),
            rows=rows,
            # Each kind begins at 0, or Prometheus would miss the first of it.
            sends=dict.fromkeys(OUTCOMES, 0) | self._sends,
            rate_per_second=rate_per_second,
            exit_code=exit_code,
        )


class _Writer:
    """The thread that writes; it skips all but the newest figures."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._newest: queue.Queue[Figures] = queue.Queue(maxsize=1)
        self._reported = ""
        # With this context its warnings name the run, too. A daemon thread does not keep the process alive if the disk never answers.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="metrics", daemon=True)
        self._thread.start()

    def offer(self, figures: Figures) -> None:
        with suppress(queue.Empty):
            self._newest.get_nowait()
        self._newest.put_nowait(figures)

    def end(self, figures: Figures) -> None:
        self.offer(figures)
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            self._tell("the disk does not answer.")

    def _run(self) -> None:
        while True:
            figures = self._newest.get()
            try:
                write_metrics(self._file, figures)
            except Exception as error:  # noqa: BLE001 - no error of the metrics may end the run
                cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
                self._tell(f"{cause.strerror or cause}." if isinstance(cause, OSError) else str(cause))
            if figures.exit_code is not None:
                return

    def _tell(self, why: str) -> None:
        # Reported once, and not every 15 s for a whole night.
        if why != self._reported:
            self._reported = why
            tell("metrics_not_written", f"The metrics file {self._file} can't be written; the run continues without it: {why}")
