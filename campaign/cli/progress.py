"""How a run is going: a bar with rate, counts and ETA on a terminal, one log line a second elsewhere."""

import sys
import time
from collections import Counter, deque
from types import TracebackType
from typing import Final, Self

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from campaign.domain.durations import words
from campaign.domain.model import Counts, Settlement, Status

WINDOW_SECONDS: Final = 10.0
LINE_SECONDS: Final = 1.0
_SHOWN: Final = {
    Status.DELIVERED: "delivered",
    Status.NOT_DELIVERED: "not delivered",
    Status.FAILED: "failed",
    Status.UNKNOWN: "unknown",
}


class RunProgress:
    """`sender.port.Observer` for one run of a campaign; used as a context manager.

    Args:
        campaign: its name.
        counts: where the rows stood when the run began.
    """

    def __init__(self, campaign: str, counts: Counts) -> None:
        self._log = structlog.get_logger().bind(campaign=campaign)
        self._total = counts.rows
        self._open = counts.open
        self._settled: Counter[Status] = Counter()
        self._recent: deque[float] = deque()
        self._line_at = 0.0
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[detail]}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(campaign, total=self._total, completed=self._total - self._open, detail="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def rate_per_second(self) -> float:
        """Sends a second over the last ten."""
        now = time.monotonic()
        while self._recent and now - self._recent[0] > WINDOW_SECONDS:
            self._recent.popleft()
        return len(self._recent) / max(min(WINDOW_SECONDS, now - self._recent[0]), 1.0) if self._recent else 0.0

    def settled(self, settlement: Settlement) -> None:
        outcome = settlement.outcome
        self._recent.append(time.monotonic())
        self._settled[outcome.status] += 1
        self._open -= outcome.status != Status.PENDING
        self._log.debug(
            "settled", row=settlement.claim.row, status=outcome.status.value, reason=outcome.reason, message=settlement.claim.message
        )
        self._show()

    def event(self, name: str, **details: object) -> None:
        self._log.info(name, **details)

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._line_at < (0.1 if self._bar is not None else LINE_SECONDS):
            return
        self._line_at = now
        rate = self.rate_per_second
        eta_seconds = self._open / rate if rate else None
        if self._bar is None:
            counts = {status.value: count for status, count in self._settled.items()}
            self._log.info(
                "progress",
                left=self._open,
                rate_per_second=round(rate, 2),
                eta_seconds=None if eta_seconds is None else round(eta_seconds),
                **counts,
            )
            return
        parts = [f"{self._settled[status]:,} {name}" for status, name in _SHOWN.items() if self._settled[status]]
        eta = f", about {words(eta_seconds)} left" if eta_seconds is not None else ""
        self._bar.update(self._task, completed=self._total - self._open, detail=f"{rate:.1f}/s{eta}  {', '.join(parts)}")
