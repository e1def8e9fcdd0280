"""Keeps a campaign's figures in a file for the textfile collector of Prometheus's node_exporter, so no server is needed.

Every sample names its campaign, so several jobs on a machine can each have a file. Figures that outlive a failed run, such as the time of
the last success, are copied from the previous file, with the name of their campaign. While a run lasts, a separate thread writes: a disk
that is slow, full or gone does not delay a run.
"""

import asyncio
import contextvars
import os
import queue
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from campaign.app.progress import Tally
from campaign.atomic import AtomicFile
from campaign.cli.logs.setup import tell
from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, Settlement
from campaign.domain.status import Status

READABLE: Final = 0o644
"""The collector runs as another user. The file has only names of campaigns and figures."""

LARGEST_BYTES: Final = 1 << 20

_SUCCESS: Final = "campaign_last_success_timestamp_seconds"
_COMPLETE: Final = "campaign_last_complete_timestamp_seconds"
_EXIT_CODE: Final = "campaign_last_exit_code"
_LASTING: Final = {
    _SUCCESS: "Unix time of the end of the last run with exit code 0: every row settled without failure.",
    _COMPLETE: "Unix time of the end of the last run that left no row unsent, with exit code 0, or 3 where rows need attention.",
    _EXIT_CODE: "Exit code of the last run that ended.",
}

Lasting = dict[str, tuple[str, float]]
"""By metric: the name of its campaign, and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A campaign at one moment, `at` in Unix seconds. `exit_code` is None during the run; `sends` counts the run's attempts by outcome."""

    campaign: str
    at: float
    rows: Mapping[Status, int] = field(default_factory=dict)
    sends: Mapping[str, int] = field(default_factory=dict)
    rate_per_second: float = 0.0
    exit_code: int | None = None


def write_metrics(path: Path, figures: Figures) -> None:
    """Write the file atomically. An existing file keeps its mode; everyone can read a new one.

    Raises:
        CampaignError: the file can't be written.
        UsageError: the path holds another kind of file, which stays unchanged.
    """
    lasting = _read(path)
    text = render(figures, lasting)
    with AtomicFile(path) as draft:
        if sys.platform != "win32":
            os.fchmod(draft.file.fileno(), READABLE)
        draft.file.write(text)
        draft.sync()
        draft.commit()


def render(figures: Figures, before: Lasting) -> bytes:
    """The figures in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Collector(list(_families(figures, before))))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class _Collector:
    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        return self.metrics


def _families(figures: Figures, before: Lasting) -> Iterator[Metric]:
    # A name from the command line may contain bytes that are not valid UTF-8.
    name = figures.campaign.encode(errors="replace").decode()
    rows = GaugeMetricFamily("campaign_rows", "Rows of the campaign, by where they stand.", labels=["campaign", "status"])
    for status, count in figures.rows.items():
        rows.add_metric([name, status.value], count)
    yield rows
    sends = CounterMetricFamily("campaign_sends", "Attempts of the run that ended, by outcome.", labels=["campaign", "outcome"])
    for outcome, count in figures.sends.items():
        sends.add_metric([name, outcome], count)
    yield sends
    running = figures.exit_code is None
    yield _gauge("campaign_rate_per_second", "Attempts that ended a second, over the last ten.", name, figures.rate_per_second)
    yield _gauge("campaign_run_in_progress", "1 while a run lasts; with an old time of the last run, it was killed.", name, int(running))
    yield _gauge("campaign_last_run_timestamp_seconds", "Unix time at which a run was last at work, or ended.", name, figures.at)
    for metric, (of, value) in (before | _now_true(figures, name)).items():
        yield _gauge(metric, _LASTING[metric], of, value)


def _now_true(figures: Figures, name: str) -> Lasting:
    found: Lasting = {}
    if figures.exit_code is not None:
        found[_EXIT_CODE] = (name, figures.exit_code)
    if figures.exit_code == 0:
        found[_SUCCESS] = (name, figures.at)
    if figures.exit_code in {0, 3}:
        found[_COMPLETE] = (name, figures.at)
    return found


def _gauge(metric: str, words: str, campaign: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(metric, words, labels=["campaign"])
    gauge.add_metric([campaign], value)
    return gauge


def _read(path: Path) -> Lasting:
    """The figures of the previous file that are still valid.

    Raises:
        UsageError: the path holds another kind of file, which must not be replaced: a typing error might name the list.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} can't be looked at: {os.strerror(error.errno or 0)}.", code="unreadable_file", file=path) from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a file that can be replaced.", code="not_a_file", file=path)
    try:
        content = path.read_bytes() if found.st_size <= LARGEST_BYTES else b"?"
    except OSError as error:
        raise UsageError(f"{path} can't be read: {os.strerror(error.errno or 0)}.", code="unreadable_file", file=path) from error
    if content and not content.startswith(b"# HELP campaign_"):
        raise UsageError(f"{path} holds something else than a campaign's figures, and is left as it is.", code="not_metrics", file=path)
    lasting: Lasting = {}
    try:
        for family in text_string_to_metric_families(content.decode()):
            for sample in family.samples if family.name in _LASTING else ():
                lasting[family.name] = (sample.labels["campaign"], sample.value)
    except (ValueError, KeyError):
        # The file is damaged, perhaps by a partial copy. The new run's figures matter more than the old ones.
        return {}
    return lasting


OUTCOMES: Final = ("delivered", "not_delivered", "failed", "unknown", "retried", "throttled")
EVERY_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 5.0
"""How long the command waits at its end for the last write."""


class MetricsWriter:
    """`sender.port.Observer` of a command's runs, and a context manager around each, entered inside the event loop.

    `campaign` is its name, as far as it is known before it is found. While a run lasts, the file is written every `every_seconds`.
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

    def __exit__(self, *_: object) -> None:
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
