"""The session of one command with the ledger: it asks a person, sends, and returns the state of the campaign."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, Self

from campaign.app.campaign_settings import cannot_finish, check_schedule, kept_of, opens_in_words, schedule_of, utc_now
from campaign.app.confirmation import Question, new_in_words, new_ledger, question_of
from campaign.app.lists.list_source import ListSource
from campaign.app.lists.message_warnings import Rows, Tell
from campaign.app.open_ledger import find, opened_ledger
from campaign.app.results.known_results import check_not_newer
from campaign.app.results.places import places_of_campaign
from campaign.app.results.sending_marker import check_not_sent_elsewhere, mark_as_sending, remove_marker, unmark
from campaign.app.results.write import write_checked
from campaign.app.sending.batches import check_batch_settings
from campaign.app.sending.reach import NOT_WANTED, skip_unreachable
from campaign.app.sending.send import send
from campaign.domain.errors import InputError, LedgerError, SafeguardError, StoppedError, UsageError
from campaign.domain.lists.lint_findings import LintFinding
from campaign.domain.lists.locations import Location
from campaign.domain.model import Counts
from campaign.domain.schedule import Schedule
from campaign.domain.status import Status
from campaign.insights import CampaignView, command_line, exit_code_of, rows_left, view
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader
from campaign.sender.port import Observer
from campaign.sender.stop import End, StopReason, StopRequest
from campaign.settings import Settings, Via

_STOPPED_FOR_SAFETY: Final = frozenset({StopReason.SAFEGUARD, StopReason.LEASE_LOST})


class Sender(Protocol):
    """`app.sending.send`, or a function that does the same with other processes. Each runner awaits `begin` before its first claim."""

    async def __call__(
        self,
        record: CampaignRecord,
        ledger: Ledger,
        reader: LedgerReader,
        settings: Settings,
        /,
        *,
        observer: Observer,
        stop: StopRequest,
        fresh_canary: bool = False,
        begin: Callable[[], Awaitable[None]],
    ) -> End: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInterface:
    """The user interface of a command. `confirm` asks whether to send, `watch` shows a run, `listen` handles signals.

    `agree` shows a warning and asks a question; without a person to ask, the answer is no. Both let a KeyboardInterrupt through.
    `tell` shows a sentence under the name of an event, before anything is sent.
    `watch` and `listen` are called inside the event loop. `sender` sends. `words` are the command's arguments, without the program's name.
    """

    confirm: Callable[[Question], bool]
    agree: Callable[[str, str], bool]
    watch: Callable[[str, Counts], AbstractContextManager[Observer]]
    listen: Callable[[], StopRequest]
    tell: Tell
    sender: Sender = send
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The state of the campaign after a command.

    `note` is sentences about what the command did not do, and why; with `brief` nothing else is shown. `details` go into the `--json`
    object.
    """

    view: CampaignView
    note: str = ""
    brief: bool = False
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's open ledger and user interface.

    `source` is the list, or its rows in a file, if the command names one. `warnings` are the warnings in the form of `--json`;
    `sentences` are those that the summary repeats. `compared` has the results files that were compared with the ledger, and their versions
    then.
    """

    ledger: Ledger
    reader: LedgerReader
    settings: Settings
    ui: UserInterface
    stop: StopRequest
    source: ListSource | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    compared: dict[Location, object] = field(default_factory=dict)

    def warn(self, kind: str, sentence: str, *, count: int, example: str, in_summary: bool = False, **details: Any) -> None:
        """Show a warning before anything is sent, and keep it for `--json`."""
        self.ui.tell(kind, sentence, **details)
        self.sentences.extend([sentence] if in_summary else [])
        self.warnings.append({"kind": kind, "count": count, "first_rows": [], "first_lines": None, "example": example, **details})

    def keep(self, record: CampaignRecord, findings: Iterable[LintFinding]) -> None:
        """Keep the warnings about a list for `--json`."""
        self.warnings.extend(finding.as_json(record.spec.lines) for finding in findings)

    def of(self, record: CampaignRecord) -> Self:
        """This session, with the settings that the campaign remembers and the command does not give.

        Raises:
            UsageError: a time or a zone is not valid, or nothing could be sent; or batches lack what they need. Nothing of the campaign was
                changed.
        """
        settings = self.settings.with_fallback(kept_of(record.spec.settings))
        check_batch_settings(settings)
        check_schedule(settings, record.spec.settings, zones=self.reader.zones(record.id), now=utc_now())
        return replace(self, settings=settings)

    def schedule(self, record: CampaignRecord) -> Schedule:
        """When the campaign may be sent; raises as `schedule_of` does."""
        return schedule_of(self.settings, record.spec.settings, now=utc_now())

    async def counts(self, record: CampaignRecord) -> Counts:
        """The counts of the rows, after dead runners are reaped."""
        await self.ledger.reap_dead_runners(quiet_seconds=self.settings.quiet_period)
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
        """Ask a person to agree to this many messages, unless `--yes` is given. One of the rows with these statuses is shown.

        `to` is the only pass that gets a message, if it is not those of the list. `rows` are the rows to send, if these are not all rows of
        the statuses, unchanged. `instead` is the command that would send them later, if that is not `resume`.

        Raises:
            UsageError: the answer is no.
            StoppedError: the answer is Ctrl-C.
        """
        if self.settings.yes or not messages:
            return
        question = question_of(record, messages, statuses, reader=self.reader, settings=self.settings, to=to, rows=rows)
        if self._is_warned_of("new_ledger"):
            question = replace(question, new_ledger="")
        go_on = instead or command_line("resume", record.spec.name, ledger=self.settings.ledger_to_name)
        not_sent = f"Nothing was sent. To send it after all: {go_on}"
        try:
            agreed = self.ui.confirm(question)
        except KeyboardInterrupt:
            raise StoppedError(not_sent, code="interrupted") from None
        if not agreed:
            raise UsageError(not_sent, code="not_agreed")

    def require(self, warning: str, question: str, ways_out: str, *, code: str, option: str) -> None:
        """Ask a person to agree to something that `--yes` does not cover. `code` and `option` are those of the error.

        Raises:
            UsageError: nobody agrees; has the warning, and what to do instead.
            StoppedError: the answer is Ctrl-C.
        """
        try:
            agreed = not self.settings.yes and self.ui.agree(warning, question)
        except KeyboardInterrupt:
            raise StoppedError(f"Nothing was sent. {ways_out}", code="interrupted") from None
        if not agreed:
            raise UsageError(f"{warning} Nothing was sent. {ways_out}", code=code, option=option)

    def tell_new_ledger(self, record: CampaignRecord) -> None:
        """Say where the ledger is if nothing but this campaign is in it, and nothing was sent, unless a warning said so.

        It is a warning where no results will show another ledger that the campaign was sent.
        """
        if not (place := new_ledger(self.reader, record)) or self._is_warned_of("new_ledger"):
            return
        if record.spec.settings.get("results"):
            self.ui.tell("new_ledger", new_in_words(place), level="info", ledger=place)
        else:
            sentence = f"{new_in_words(place)} The campaign has no results file: from another ledger, all of it would be sent again."
            self.warn("new_ledger", f"{sentence} Keep this one, or give --results.", count=1, example=place, ledger=place)

    async def send(
        self, record: CampaignRecord, results: Location | None, *, fresh_canary: bool = False, counts: Counts | None = None
    ) -> CommandResult:
        """Send the rest of the campaign, and report; `fresh_canary` is as in `app.sending.send`, `counts` are given if they are recent."""
        await asyncio.to_thread(self.check_not_behind, record, results)
        marked = False

        async def begin() -> None:
            nonlocal marked
            marked = await asyncio.to_thread(self._mark, record, results) or marked

        counts = counts or self.reader.counts(record.id)
        if late := cannot_finish(self.schedule(record), counts.open, self.settings.messages_per_second, now=utc_now()):
            self.ui.tell("cannot_finish_in_time", late)
        with self.ui.watch(record.spec.name, counts) as observer:
            if self.settings.yes:
                self.tell_new_ledger(record)
            if self.settings.via is Via.BATCH:
                sentence = f"It is sent by PassEntry's batches, for the entity {self.settings.entity} (unconfirmed)."
                self.ui.tell("by_batches", sentence, level="info", entity=self.settings.entity)
            stopped = await self._skip_unreachable(record, observer) if self.settings.only_reachable else None
            sender = self.ui.sender
            how: dict[str, Any] = {"observer": observer, "stop": self.stop, "fresh_canary": fresh_canary, "begin": begin}
            try:
                end = stopped or await sender(record, self.ledger, self.reader, self.settings, **how)
            except UsageError:
                if marked:
                    await unmark(record, self.ledger, self.reader, results, others=False)
                raise
            # Others may have sent rows of it, of which this process knows nothing.
            with suppress(LedgerError):
                observer.event("standing", counts=self.reader.counts(record.id), ended=True)
        if stopped:
            return await self.end(record, stopped, results, stopped.why)
        finished = await asyncio.to_thread(self._end, record, end, results, sent=True)
        await unmark(record, self.ledger, self.reader, results)
        await self.end_retry(record)
        return finished

    async def end_retry(self, record: CampaignRecord) -> None:
        """End the retry that is open, if any, unless rows are left: the next one selects rows again."""
        if find(self.reader, record.spec.name).retry_is_open:
            await self.ledger.end_retry(record.id)

    async def _skip_unreachable(self, record: CampaignRecord, observer: Observer) -> End | None:
        """Skip the rows whose pass is not in a wallet; returns why nothing may be sent, or None."""
        try:
            skipped = await skip_unreachable(self.reader, record.id, self.ledger, self.settings, observer=observer, stop=self.stop)
        except StoppedError as error:
            ended = StopReason.INTERRUPTED
            if error.code == NOT_WANTED:
                cancelled = find(self.reader, record.spec.name).desired_state is DesiredState.CANCELLED
                ended = StopReason.CANCELLED if cancelled else StopReason.PAUSED
            return End(ended=ended, why=f"Nothing was sent. {error}")
        except SafeguardError as error:
            return End(ended=StopReason.SAFEGUARD, why=f"Nothing was sent. {error}")
        observer.event("rows_skipped", rows=skipped)
        return None

    def _mark(self, record: CampaignRecord, results: Location | None) -> bool:
        """Create the marker of the results unless there is one, or can't be one; returns whether it did. A runner must be registered."""
        created = mark_as_sending(results, record, self.reader) if results is not None else None
        try:
            self.check_not_behind(record, results)
        except (UsageError, InputError):
            if created is not None:
                remove_marker(created, record, self.reader)
            raise
        return created is not None

    def check_not_behind(
        self, record: CampaignRecord, results: Location | None, new_ids: Mapping[str, int] | None = None
    ) -> dict[Location, str]:
        """Check that no other ledger is sending the campaign, or has sent of it what this one does not know; asked again before the first
        claim, as asking a person takes time.

        `results` is where this run writes. `new_ids` are the rows whose ids are about to be corrected, by the key of their new pass.
        Returns why results can't be read to their end.

        Raises:
            UsageError: one is, or has.
            InputError: a store can't be read.
        """
        places = places_of_campaign(record, self.settings, source=self.source, results=results)
        check_not_sent_elsewhere(places, record.spec.name, self.reader)
        problems = {
            place: check_not_newer(place, self.reader, record, self.compared, new_ids, belongs=belongs) for place, belongs in places.items()
        }
        return {place: problem for place, problem in problems.items() if problem}

    def _is_warned_of(self, kind: str) -> bool:
        return any(warning["kind"] == kind for warning in self.warnings)

    async def end(self, record: CampaignRecord, end: End, results: Location | None, note: str = "") -> CommandResult:
        """Write the results of a campaign after a command that sent nothing, and return its state."""
        finished = await asyncio.to_thread(self._end, record, end, results, note=note)
        await unmark(record, self.ledger, self.reader, results)
        return finished

    def _end(self, record: CampaignRecord, end: End, results: Location | None, *, note: str = "", sent: bool = False) -> CommandResult:
        # Done first, as later reads of the ledger may fail, and people need their file.
        if results is not None:
            write_checked(self.reader, record, results, self.compared, sent=sent, ledger=self.settings.ledger_to_name)
        if end.ended is StopReason.OUTSIDE_WINDOW:
            note = opens_in_words(self.schedule(record), self.reader.pending_zones(record.id), now=utc_now())
        if end.ended is StopReason.PASSES_HELD:
            note = end.why
        fresh = find(self.reader, record.spec.name)
        seen = view(self.reader, fresh, ledger=self.settings.ledger_to_name)
        seen = replace(seen, results=str(results) if results is not None else "")
        if end.why and end.ended in _STOPPED_FOR_SAFETY:
            # The ledger does not record the end of reading back.
            seen = replace(seen, record=replace(seen.record, ended=end.why))
        details: dict[str, Any] = {"why": end.why} if end.why and rows_left(seen.counts, seen.state) else {}
        details |= {"warnings": self.warnings} if self.warnings else {}
        note = " ".join(filter(None, [*self.sentences, note]))
        return CommandResult(view=replace(seen, exit_code=_exit_code(end, seen, self.stop)), note=note, details=details)


def _exit_code(end: End, seen: CampaignView, stop: StopRequest) -> int:
    """The exit code of the process, from how the run ended and the statuses of the rows."""
    if end.ended is StopReason.INTERRUPTED and rows_left(seen.counts, seen.state):
        return stop.exit_code
    return exit_code_of(seen.counts, seen.state, rows_left_code=4 if end.ended in _STOPPED_FOR_SAFETY else 5)


@asynccontextmanager
async def session(settings: Settings, ui: UserInterface, stop: StopRequest, source: ListSource | None = None) -> AsyncIterator[Session]:
    """Open the ledger for one command."""
    async with opened_ledger(settings) as (ledger, reader):
        yield Session(ledger=ledger, reader=reader, settings=settings, ui=ui, stop=stop, source=source)
