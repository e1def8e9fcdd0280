"""Checks a list without sending: stages it into a temporary ledger, and reports the findings."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from campaign.app.ledger_checks.same_content import SentBefore, same_content
from campaign.app.ledger_checks.unknown_campaign import earlier_results
from campaign.app.lists.exclusions import Exclusions
from campaign.app.lists.list_source import CheckedList, ListSource, find_list, opened, with_some_name
from campaign.app.lists.message_warnings import FIRST_ROWS, findings_of
from campaign.app.lists.stage import Staged, stage
from campaign.app.open_ledger import open_ledger, open_reader_if_there
from campaign.app.sending.access import check_access
from campaign.app.sending.batches import check_batch_settings, check_texts
from campaign.app.sending.reach import Reached, count_reach
from campaign.domain.errors import InputError
from campaign.domain.lists.lint_findings import LintFinding
from campaign.domain.lists.locations import Location
from campaign.domain.lists.sheet import NO_LINES, SheetLines
from campaign.domain.model import Counts
from campaign.domain.status import BY_OUTCOME, LEFT_OUT, Status
from campaign.domain.text.lines import length_as_shown
from campaign.ledger.port import LedgerReader, RowMessage
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.reporter.files.results import write_results
from campaign.sender.port import Observer
from campaign.sender.stop import StopRequest
from campaign.settings import Settings, Via

SAMPLES: Final = 5
PROGRESS_ROWS: Final = 500

Progress = Callable[[int, int], None]
"""Called from time to time with the amount of work done and the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One kind of problem; `rows` are the first rows that have it."""

    kind: str
    count: int
    rows: tuple[int, ...]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    row: int
    pass_id: str
    message: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of a check.

    `rate_per_second` None is without pacing. `findings` are about messages that can be sent as they are; they change no exit code.
    `earlier_results` are results of a campaign that the ledger does not know: `run` does not send before a person decides about them.
    `sent_before` is a campaign that has sent the same list and message: the one that `run` would resume, or one of another name.
    `content_sha256` is that of the campaign that would be sent, and `messages` are the hashes of its messages.
    `lines` are the list's lines, by which people find rows. `reach` is None if no pass was read.
    """

    list_name: str
    description: str
    counts: Counts
    problems: tuple[Problem, ...]
    samples: tuple[Sample, ...]
    findings: tuple[LintFinding, ...]
    lock_screen: int
    rate_per_second: float | None
    estimated_seconds: float
    earlier_results: Location | None = None
    sent_before: SentBefore | None = None
    content_sha256: str = ""
    messages: tuple[str, ...] = ()
    lines: SheetLines = NO_LINES
    reach: Reached | None = None
    by_batches: bool = False

    @property
    def exit_code(self) -> int:
        return 3 if self.counts.needs_attention else 0

    def as_json(self) -> dict[str, Any]:
        """The object that `check --json` prints."""
        return {
            "list": self.list_name,
            "rows": self.counts.rows,
            "sendable": self.counts.by_status[Status.PENDING],
            "by_status": {status.value: self.counts.by_status[status] for status in Status},
            "problems": [
                {
                    "kind": problem.kind,
                    "count": problem.count,
                    "first_rows": list(problem.rows),
                    "first_lines": self.lines.of_all(problem.rows),
                    "example": problem.example,
                }
                for problem in self.problems
            ],
            "samples": [
                {
                    "row": sample.row,
                    "line": self.lines.of(sample.row),
                    "pass_id": sample.pass_id,
                    "message": sample.message,
                    "length": sample.length,
                }
                for sample in self.samples
            ],
            "warnings": [finding.as_json(self.lines) for finding in self.findings],
            "estimated_seconds": round(self.estimated_seconds, 1),
            **({} if self.reach is None else {"reach": self.reach.as_json()}),
            "exit_code": self.exit_code,
        }


async def check(
    source: ListSource,
    settings: Settings,
    *,
    problem_rows: Path | None = None,
    progress: Progress = lambda *_: None,
    reach: Observer | None = None,
    stop: StopRequest | None = None,
) -> Checked:
    """Check a list as `run` would; nothing is sent. The ledger is only asked for the earlier messages of passes.

    `problem_rows` is a results file to write, with the rows that can't be sent, or are left out. With `reach`, which gets the progress, the
    passes are read, too; the readings are kept, also if `stop` ends them, and share the ledger's rate of reading.

    Raises:
        CampaignError: the list, the template or an option can't be used; or with `reach`, as `app.sending.reach.count_reach`.
    """
    stop = stop or StopRequest()
    check_batch_settings(settings)
    if reach is not None:
        check_access(settings)
    source = find_list(source, settings)
    settings = with_some_name(source, settings)
    with (
        opened(source, settings) as given,
        _known(settings) as known,
        tempfile.TemporaryDirectory(prefix="campaign-check-") as folder,
    ):
        path = Path(folder) / "campaign.db"
        ledger = SqliteLedger(path)
        reader = SqliteReader(path)
        try:
            exclusions = Exclusions(settings.exclude, given.spec.id_column)
            watched = _watched(given, progress)
            staged = await stage(ledger, reader, watched, stop=stop.gently, quiet_seconds=settings.quiet_period, exclusions=exclusions)
            campaign = staged.record.id
            if settings.via is Via.BATCH:
                check_texts(staged.record, reader)
            if settings.exclude:
                await ledger.apply_exclusions(campaign)
            if problem_rows is not None:
                parts = reader.result_columns(campaign, LEFT_OUT)
                name, columns = given.spec.name, given.layout.columns
                await asyncio.to_thread(write_results, problem_rows, campaign=name, columns=columns, parts=parts, failed=None)
            checked = await asyncio.to_thread(_checked, given, staged, reader, known=known, settings=settings, progress=progress)
            if reach is not None:
                checked = replace(checked, reach=await _reach(reader, campaign, settings, observer=reach, stop=stop))
            if known is not None and known.campaign(given.spec.name) is not None:
                return replace(checked, sent_before=_resumed(given, staged, known))
            if known is not None:
                checked = replace(checked, sent_before=same_content(known, checked.content_sha256, checked.messages))
            # Whether the store of the results can be reached is checked by the run.
            with suppress(InputError):
                results = earlier_results(source, settings, campaign=given.spec.name, of_results=given.layout.results, reader=known)
                checked = replace(checked, earlier_results=results)
            return checked
        finally:
            await ledger.close()
            reader.close()


async def _reach(reader: LedgerReader, campaign: int, settings: Settings, *, observer: Observer, stop: StopRequest) -> Reached:
    shared = open_ledger(settings)
    try:
        return await count_reach(reader, campaign, shared, settings, observer=observer, stop=stop)
    finally:
        await shared.close()


def _watched(given: CheckedList, progress: Progress) -> CheckedList:
    """The same list, which reports how many rows were read: reading is the first half of the work."""
    rows = given.table.rows
    return replace(given, table=replace(given.table, progress=lambda done: progress(done, 2 * rows)))


@contextmanager
def _known(settings: Settings) -> Iterator[LedgerReader | None]:
    """The ledger that `run` would use; None if there is none, as a check makes none."""
    known = open_reader_if_there(settings)
    try:
        yield known
    finally:
        if known is not None:
            known.close()


def _checked(
    given: CheckedList, staged: Staged, reader: LedgerReader, *, known: LedgerReader | None, settings: Settings, progress: Progress
) -> Checked:
    """The findings in a staged campaign. `known` is the ledger with the earlier messages of passes, if there is one."""
    campaign = staged.record.id
    counts = reader.counts(campaign)
    samples: list[Sample] = []

    def sampled() -> Iterator[RowMessage]:
        """Every row that can be sent; the first ones are also added to `samples`."""
        for place, row in enumerate(reader.messages(campaign, frozenset({Status.PENDING}))):
            if len(samples) < SAMPLES:
                samples.append(Sample(row=row.row, pass_id=row.pass_id, message=row.message, length=length_as_shown(row.message)))
            if place % PROGRESS_ROWS == 0:
                progress(counts.rows + row.row, 2 * counts.rows)
            yield row

    # What the campaign itself has sent is no earlier message.
    earlier = None if known is not None and _resumed(given, staged, known) is not None else known
    findings = (*staged.findings, *findings_of(sampled(), settings=settings, ledger=earlier))
    rate_per_second = settings.messages_per_second
    return Checked(
        list_name=given.spec.list_name,
        content_sha256=staged.record.content_sha256,
        messages=given.same_messages,
        lines=given.table.lines,
        description=given.table.head.description,
        counts=counts,
        problems=tuple(_problems(reader, campaign, counts)),
        samples=tuple(samples),
        findings=findings,
        lock_screen=settings.lock_screen,
        rate_per_second=rate_per_second,
        estimated_seconds=counts.by_status[Status.PENDING] / rate_per_second if rate_per_second else 0.0,
        by_batches=settings.via is Via.BATCH,
    )


def _resumed(given: CheckedList, staged: Staged, known: LedgerReader) -> SentBefore | None:
    """What the campaign that `run` would resume has sent."""
    found = same_content(known, staged.record.content_sha256, given.same_messages, name=given.spec.name)
    return None if found is None else replace(found, is_own=True)


def _problems(reader: LedgerReader, campaign: int, counts: Counts) -> Iterator[Problem]:
    for status in (status for status in BY_OUTCOME if status in LEFT_OUT):
        for reason, count in counts.reasons(status).items():
            first = reader.examples(campaign, status, reason, FIRST_ROWS)
            yield Problem(kind=reason, count=count, rows=tuple(row for row, _ in first), example=first[0][1])
