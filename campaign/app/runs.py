"""Whole commands: what `run`, `resume`, `retry` and `verify` do from start to end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from campaign.app.controls import Exclusions, cannot_finish, remembered, schedule_of, utc_now
from campaign.app.keeping import check_here
from campaign.app.lists import CheckedList, opened
from campaign.app.question import Question, Rows, question_of
from campaign.app.sending import Stop, check_access, exit_code, find, report, send, verify
from campaign.app.staging import stage
from campaign.domain.errors import InputError, LedgerError, SafeguardError, StoppedError, UsageError
from campaign.domain.model import Counts, Status
from campaign.insights import CampaignView, command_line, view
from campaign.ledger.port import CampaignRecord, Control
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.reporter.results import check_writable
from campaign.sender.ending import End, Ended
from campaign.sender.port import Observer
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The side that people see. `confirm` asks whether to send, `watch` shows a run, `listen` hears signals.

    `confirm` lets a KeyboardInterrupt through. `tell` says a sentence, by the name of an event, before anything is sent.
    `watch` and `listen` are called inside the event loop.
    """

    confirm: Callable[[Question], bool]
    watch: Callable[[str, Counts], AbstractContextManager[Observer]]
    listen: Callable[[], Stop]
    tell: Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command left the campaign; `note` is what the command itself did not do, and why, as sentences; `brief` says that it is all."""

    view: CampaignView
    note: str = ""
    brief: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's hold of the ledger, and who watches it."""

    ledger: SqliteLedger
    reader: SqliteReader
    settings: Settings
    front: Front
    stop: Stop

    def of(self, record: CampaignRecord) -> Self:
        """The same with what the campaign remembers of its settings, where it was not given anew."""
        return replace(self, settings=self.settings.over(record.spec.settings))

    async def counts(self, record: CampaignRecord) -> Counts:
        """Where the rows stand, those of dead processes included."""
        await self.ledger.bury(quiet_seconds=self.settings.quiet_period)
        return self.reader.counts(record.id)

    def ask(
        self,
        record: CampaignRecord,
        messages: int,
        statuses: frozenset[Status],
        *,
        to: str = "",
        rows: Rows | None = None,
        instead: str = "",
    ) -> None:
        """Have a person agree, unless that was done with `--yes`.

        Args:
            record: the campaign.
            messages: how many would be sent.
            statuses: of which rows, one of which is shown.
            to: the only pass, where it is not the list's.
            rows: what would be sent, where that is not all rows of these statuses as they are.
            instead: the command that would send them after all, where that is not `resume`.

        Raises:
            UsageError: no.
            StoppedError: a Ctrl-C is an answer, too.
        """
        if self.settings.yes or not messages:
            return
        question = question_of(record, messages, statuses, reader=self.reader, settings=self.settings, to=to, rows=rows)
        go_on = instead or command_line("resume", record.spec.name, ledger=self.settings.ledger_to_name)
        not_sent = f"Nothing was sent. To send it after all: {go_on}"
        try:
            agreed = self.front.confirm(question)
        except KeyboardInterrupt:
            raise StoppedError(not_sent) from None
        if not agreed:
            raise UsageError(not_sent)

    async def send(self, record: CampaignRecord, results: Path | None) -> Finished:
        """Send what is left of the campaign, and report."""
        counts = self.reader.counts(record.id)
        schedule = schedule_of(self.settings, record.spec.settings, now=utc_now())
        if late := cannot_finish(schedule, counts.open, self.settings.rate, now=utc_now()):
            self.front.tell("cannot_finish_in_time", late)
        with self.front.watch(record.spec.name, counts) as observer:
            end = await send(record, self.ledger, self.reader, self.settings, observer=observer, stop=self.stop)
        return await self.end(record, end, results)

    async def end(self, record: CampaignRecord, end: End, results: Path | None, note: str = "") -> Finished:
        """Write the results, and say where the campaign stands."""
        return await asyncio.to_thread(self._end, record, end, results, note)

    def _end(self, record: CampaignRecord, end: End, results: Path | None, note: str) -> Finished:
        if results is not None:
            self._report(record, results)
        fresh = find(self.reader, record.spec.name)
        seen = view(self.reader, fresh, ledger=self.settings.ledger_to_name)
        seen = replace(seen, results=str(results) if results is not None else "")
        return Finished(view=replace(seen, exit_code=exit_code(end, seen, self.stop)), note=note)

    def _report(self, record: CampaignRecord, results: Path) -> None:
        try:
            report(self.reader, record, results)
        except (UsageError, InputError, LedgerError) as error:
            # Their exit code says that nothing was sent, and that is no longer so.
            export = command_line("report", record.spec.name, "--output", "FILE", ledger=self.settings.ledger_to_name)
            raise SafeguardError(f"{error} What was sent is safe in the ledger: {export}") from error


@asynccontextmanager
async def session(settings: Settings, front: Front, stop: Stop) -> AsyncIterator[Session]:
    """Open the ledger for one command."""
    ledger = SqliteLedger(settings.ledger_path)
    reader = SqliteReader(settings.ledger_path)
    try:
        yield Session(ledger=ledger, reader=reader, settings=settings, front=front, stop=stop)
    finally:
        await ledger.close()
        reader.close()


@asynccontextmanager
async def looked_through(source: str, settings: Settings, stop: Stop) -> AsyncIterator[CheckedList]:
    """`opened`, in a thread, so that signals are heard meanwhile."""
    context = opened(source, settings)
    given = await asyncio.to_thread(context.__enter__)
    try:
        yield given
    except StoppedError as error:
        error.exit_code = stop.exit_code
        raise
    finally:
        context.__exit__(None, None, None)


async def run_list(source: str, settings: Settings, front: Front) -> Finished:
    """Stage (or find), send, report.

    Raises:
        CampaignError: with the exit code that says how far it came.
    """
    stop = front.listen()
    check_access(settings)
    async with looked_through(source, settings, stop) as given:
        results = Path(given.spec.settings["results"])
        list_file = None if source == "-" else given.table.path
        columns, rows = given.layout.columns, given.table.rows
        await asyncio.to_thread(check_writable, results, list_file=list_file, columns=columns, rows=rows, batches=given.own_cells)
        async with session(settings, front, stop) as work:
            begun = given
            if work.reader.campaign(given.spec.name) is None:
                kept = given.spec.settings | remembered(settings, now=utc_now())
                begun = replace(given, spec=replace(given.spec, settings=kept))
            exclusions = await asyncio.to_thread(Exclusions, settings.exclude)
            staged = await stage(
                work.ledger, work.reader, begun, stop=stop.gently, ledger_name=settings.ledger_to_name, exclusions=exclusions
            )
            return await _go_on(work.of(staged.record), staged.record, results, resumed=staged.resumed)


async def resume(name: str, settings: Settings, front: Front) -> Finished:
    """Go on with a campaign that is staged; a paused one is let go again."""
    stop = front.listen()
    check_access(settings)
    async with session(settings, front, stop) as begun:
        record = find(begun.reader, name)
        check_here(record)
        check_not_cancelled(record)
        work = begun.of(record)
        results = results_of(record, settings)
        counts = await work.counts(record)
        work.ask(record, counts.open, frozenset({Status.PENDING}))
        if record.control is Control.PAUSED:
            await work.ledger.control(record.id, Control.GO)
        return await _go_on(work, find(begun.reader, name), results, resumed=True, asked=True)


async def read_back(name: str, settings: Settings, front: Front) -> Finished:
    """Read the passes of unknown rows back; sends nothing."""
    stop = front.listen()
    check_access(settings)
    async with session(settings, front, stop) as work:
        record = find(work.reader, name)
        check_here(record)
        with front.watch(name, await work.counts(record)) as observer:
            await verify(record, work.ledger, work.reader, settings, observer=observer, stop=stop)
        return await work.end(record, End(ended=Ended.LIMIT), results_of(record, settings))


async def control(name: str, wanted: Control, settings: Settings) -> None:
    """Pause or cancel, whichever process is sending."""
    ledger = SqliteLedger(settings.ledger_path)
    reader = SqliteReader(settings.ledger_path)
    try:
        await ledger.control(find(reader, name).id, wanted)
    finally:
        await ledger.close()
        reader.close()


async def _go_on(work: Session, record: CampaignRecord, results: Path | None, *, resumed: bool, asked: bool = False) -> Finished:
    counts = await work.counts(record)
    if record.control is Control.PAUSED and counts.open:
        return await work.end(record, End(ended=Ended.PAUSED), results, is_paused(record))
    if resumed and work.reader.outlook(record.id).finished:
        note = "Nothing was sent: every row of this campaign has ended before, and what has ended is never sent again by itself."
        return await work.end(record, End(ended=Ended.FINISHED), results, note)
    if not asked:
        work.ask(record, counts.open, frozenset({Status.PENDING}))
    return await work.send(record, results)


def is_paused(record: CampaignRecord) -> str:
    return f"Nothing was sent: the campaign “{record.spec.name}” is paused, and only resume lets it go on."


def results_of(record: CampaignRecord, settings: Settings) -> Path | None:
    stored = record.spec.settings.get("results", "")
    return settings.results.absolute() if settings.results is not None else Path(stored) if stored else None


def is_file(name: str) -> bool:
    return Path(name).is_file()


def check_not_cancelled(record: CampaignRecord) -> None:
    if record.control is Control.CANCELLED:
        raise UsageError(f"The campaign “{record.spec.name}” was cancelled; nothing more of it is sent. Start a new one with campaign run.")
