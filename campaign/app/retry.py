"""`retry`: sends rows of a campaign again when a person asks for it, as they are or as in a corrected file."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Final

from campaign.app.campaign_settings import check_not_over, utc_now
from campaign.app.ledger_checks.same_ledger import check_same_ledger
from campaign.app.lists.correction_file import CorrectionFile, check_texts, correction_file
from campaign.app.lists.corrections import Corrector, Texts, Totals, describe, under_way
from campaign.app.lists.exclusions import Exclusions
from campaign.app.lists.list_source import FileSource, opened
from campaign.app.lists.message_warnings import near_to_send, told_by_others
from campaign.app.lists.named_rows import ALREADY_RETRIED, NamedRows, named_rows, numbered
from campaign.app.lists.stage import exclude, warn
from campaign.app.open_ledger import check_here, find_whole
from campaign.app.results.owner import owner_of
from campaign.app.run import check_not_cancelled, in_thread, is_file, is_paused, results_of, stage_unless_known
from campaign.app.sending.access import check_access
from campaign.app.sending.batches import check_batch_settings
from campaign.app.sending.send import send
from campaign.app.session import CommandResult, Session, UserInterface, session
from campaign.domain.errors import InputError, StoppedError, UsageError
from campaign.domain.lists.columns import listed
from campaign.domain.lists.locations import Location, place_of
from campaign.domain.model import Counts, ResultRow
from campaign.domain.retry_selection import Selection
from campaign.domain.status import CORRECTABLE, OPEN, RETRYABLE, Status
from campaign.domain.text.lines import rows as rows_in_words
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.sender.stop import End, StopReason
from campaign.settings import Settings

FAILED: Final = frozenset({Status.FAILED})
BY_FILE: Final = CORRECTABLE | {Status.NOT_DELIVERED}
"""The statuses that a corrected file may send again. About rows that may have arrived the ledger decides, not a file."""


async def retry(
    target: FileSource, selection: Selection, settings: Settings, ui: UserInterface, *, rows: FileSource | None = None, of: str = ""
) -> CommandResult:
    """Send rows again; the target is a campaign's name, or a results file or failed-rows file, corrected or not.

    `selection` without statuses means the failed rows, and those of a file that were invalid and are corrected. `rows` is a list: only rows
    of the campaign whose passes are in it are sent. `of` is the campaign that the file's rows must belong to, if known.

    Raises:
        CampaignError: its exit code says how far the retry came.
    """
    stop = ui.listen()
    check_access(settings)
    async with session(settings, ui, stop) as work:
        if isinstance(target, str) and (rows is not None or work.reader.campaign(target) is not None or not is_file(target)):
            if rows is not None and work.reader.campaign(target) is None and is_file(target):
                raise UsageError(
                    "--rows says which rows of a campaign are meant. Give the campaign's name, not a file of its rows.",
                    code="rows_of_a_file",
                    option="--rows",
                )
            return await _again(work, find_whole(work.reader, target), selection, rows)
        async with in_thread(correction_file(target, work.reader), stop) as file:
            if of and (file is None or file.record.spec.name != of):
                raise UsageError(
                    f"These are no rows of the campaign “{of}”: their delivery_campaign says whose they are.",
                    code="other_campaign",
                    campaign=of,
                )
            if file is not None:
                return await _correct(work, target if isinstance(target, str) else of, file, selection)
        check_batch_settings(settings)
        with _ledger_offered(target, work):
            async with in_thread(opened(target, settings), stop) as given:
                check = check_texts if Status.FAILED in (selection.statuses or FAILED) else None
                staged = await stage_unless_known(work, given, target, check=check)
        return await _again(work, staged.record, selection)


@contextmanager
def _ledger_offered(target: FileSource, work: Session) -> Iterator[None]:
    """If nothing says which column of results has the passes, add to the error that another ledger may know it."""
    try:
        yield
    except InputError as error:
        name = owner_of(place_of(target)) if isinstance(target, str) else ""
        if error.code != "missing_id_column" or not name:
            raise
        unknown = f"The ledger {work.reader.place} does not know the campaign “{sanitize_for_terminal(name)}”."
        hint = f"{unknown} If another one does, name that one with --ledger."
        raise error.at(problem=f"{error.problem} {hint}") from error


async def _again(work: Session, record: CampaignRecord, selection: Selection, source: FileSource | None = None) -> CommandResult:
    chosen = replace(selection, statuses=selection.statuses or FAILED)
    if not chosen.statuses <= RETRYABLE:
        raise UsageError(
            "Invalid rows are sent once they are corrected: do so in the failed-rows file, and give retry that file.",
            code="invalid_rows",
            option="--status",
        )
    check_here(record)
    check_not_cancelled(record)
    work = work.of(record)
    exclusions = await asyncio.to_thread(Exclusions, work.settings.exclude, record.spec.id_column)
    results = await asyncio.to_thread(results_of, record, work.settings)
    counts = await work.counts(record)
    since = work.reader.last_attempt(record.id)
    if source is not None:
        work = _beside(work, record, source)
        named = await asyncio.to_thread(named_rows, source, work.reader, record, chosen, id_column=work.settings.id_column)
        if work.stop.gently.is_set():
            raise StoppedError(
                "Interrupted while the file was being read; nothing was sent. Run the same command again.", code="interrupted"
            )
        finished = await _again_named(work, record, chosen, named, exclusions=exclusions, results=results, counts=counts, since=since)
        return replace(finished, note=f"{named.in_words()} {finished.note}".strip(), details=finished.details | named.as_json())
    again, done = work.reader.matching(record.id, chosen), await asyncio.to_thread(_done, work.reader, record, chosen)
    # An earlier retry that was killed or stopped has left these rows: the same command goes on with them only.
    begun, unread = ((), 0) if again else await asyncio.to_thread(_begun, work.reader, record)
    _warn_of_open(work, record, done=len(done), left=len(begun), in_summary=True)
    if not again and (not begun or (Status.UNKNOWN in chosen.statuses and not record.retry_is_open)):
        there = {reason for status in chosen.statuses for reason in counts.reasons(status) if reason}
        hint = f" The reasons there are: {sanitize_for_terminal(', '.join(sorted(there)))}." if chosen.reasons and there else ""
        if Status.UNKNOWN in chosen.statuses and counts.unverified:
            read = command_line("verify", record.spec.name, ledger=work.settings.ledger_to_name)
            hint += f" Unknown rows that are still to be read back: {counts.unverified:,}. To do so: {read}"
        other = "other " if done else ""
        note = f"Nothing was sent: there are no {other}rows that are {sanitize_for_terminal(chosen.in_words())}.{hint}"
        return await _send_nothing(work, record, results, note)
    if record.desired_state is DesiredState.PAUSED:
        return await work.end(record, End(ended=StopReason.PAUSED), results, is_paused(record))

    def rows() -> Iterator[ResultRow]:
        if begun:
            return numbered(work.reader, record, begun)
        found = work.reader.rows(record.id, chosen.statuses | OPEN)
        return (row for row in found if row.outcome.status in OPEN or (chosen.takes(row.outcome) and row.row not in done))

    check_not_over(work.schedule(record), now=utc_now())
    await check_same_ledger(work, record)
    await _warn_of_rows(work, record, exclusions, rows)
    instead = _same_command(record.spec.name, chosen, work)
    work.ask(record, len(begun) - unread if begun else again + counts.open, chosen.statuses, rows=rows, instead=instead)
    await exclude(work.ledger, record, exclusions)
    if begun:
        work = _only(work, begun)
    left = again - await work.ledger.retry(record.id, chosen, since=since)
    finished = await work.send(record, results, fresh_canary=True)
    return _with_left(finished, left)


def _beside(work: Session, record: CampaignRecord, source: FileSource) -> Session:
    """The same session, which also looks for newer results beside the file that names the rows, if that holds the campaign's results."""
    is_own = isinstance(source, str) and is_file(source) and owner_of(place_of(source)) == record.spec.name
    return replace(work, source=source) if is_own else work


async def _again_named(
    work: Session,
    record: CampaignRecord,
    chosen: Selection,
    named: NamedRows,
    *,
    exclusions: Exclusions,
    results: Location | None,
    counts: Counts,
    since: int,
) -> CommandResult:
    """Send the rows that a list names, and no other rows of the campaign."""
    wanted = named.all_rows()
    _warn_of_open(work, record, done=named.count(ALREADY_RETRIED))
    if not wanted:
        note = f"Nothing was sent: the file names no row that is {sanitize_for_terminal(chosen.in_words())}."
        return await _send_nothing(work, record, results, note)
    if record.desired_state is DesiredState.PAUSED:
        return await work.end(record, End(ended=StopReason.PAUSED), results, is_paused(record))

    def rows() -> Iterator[ResultRow]:
        return numbered(work.reader, record, wanted)

    check_not_over(work.schedule(record), now=utc_now())
    await check_same_ledger(work, record)
    await _warn_of_rows(work, record, exclusions, rows)
    instead = _same_command(record.spec.name, chosen, work, "--rows", named.table.name)
    work.ask(record, len(wanted) - len(named.under_way), chosen.statuses, rows=rows, instead=instead)
    await exclude(work.ledger, record, exclusions)
    parts = [await work.ledger.apply_corrections(record.id, [], numbers, chosen.statuses, since=since) for numbers in named.parts()]
    if counts.unfinished > len(named.waiting) + len(named.under_way):
        work = _only(work, wanted)
    finished = await work.send(record, results, fresh_canary=True)
    return _with_left(finished, len(named.chosen) - sum(parts))


async def _send_nothing(work: Session, record: CampaignRecord, results: Location | None, note: str) -> CommandResult:
    if work.settings.moved_here:
        await check_same_ledger(work, record, results=results)
    finished = await work.end(record, End(ended=StopReason.LIMIT), results, note)
    await work.end_retry(record)
    return finished


def _with_left(finished: CommandResult, left: int) -> CommandResult:
    """Say of how many rows it was found, after the question, that they may not be sent."""
    if left <= 0:
        return finished
    note = f"{left:,} of the chosen rows are still to be read back, or were changed meanwhile, and were not sent."
    return replace(finished, note=f"{note} {finished.note}".strip())


def _begun(reader: LedgerReader, record: CampaignRecord) -> tuple[tuple[int, ...], int]:
    """The rows that were sent before, and are pending again, in flight or unverified, and how many of them are not pending."""
    found = [row for row in reader.rows(record.id, OPEN | {Status.UNKNOWN}) if row.outcome.attempts]
    busy = under_way(reader, record, found)
    return tuple(row.row for row in found if row.outcome.status is Status.PENDING or row.row in busy), len(busy)


def _done(reader: LedgerReader, record: CampaignRecord, chosen: Selection) -> frozenset[int]:
    """The rows of the selection that the open retry has sent before."""
    found = [row for row in numbered(reader, record, sorted(reader.already_retried(record.id))) if chosen.takes(row.outcome)]
    return frozenset(row.row for row in found) - under_way(reader, record, found)


def _warn_of_open(work: Session, record: CampaignRecord, *, done: int, left: int = 0, in_summary: bool = False) -> None:
    """Warn of an earlier retry that has not ended: about rows of the selection that it has sent, and about what is left of it."""
    if left and record.retry_is_open:
        sentence = f"An earlier retry has not ended. This command only goes on with what is left of it: {rows_in_words(left)}."
        work.warn("retry_goes_on", sentence, count=left, example=record.spec.name, in_summary=in_summary)
    if done:
        they_are, them = ("It is", "it") if done == 1 else ("They are", "them")
        sentence = f"Already sent by an earlier retry that has not ended: {rows_in_words(done)}. {they_are} not sent again now. "
        sentence += f"Once that retry has ended, the same command sends {them} again."
        work.warn("already_retried", sentence, count=done, example=record.spec.name, in_summary=in_summary)


def _only(work: Session, rows: tuple[int, ...]) -> Session:
    """The same session, which sends only these rows."""
    return replace(work, ui=replace(work.ui, sender=partial(send, only=rows)))


async def _warn_of_rows(work: Session, record: CampaignRecord, exclusions: Exclusions, rows: Callable[[], Iterable[ResultRow]]) -> None:
    """Warn about rows whose ids are near to excluded ones or to another row's, and of those whose text another campaign has sent since."""
    found = await asyncio.to_thread(near_to_send, work.reader, record, rows=rows, excluded=exclusions.keys)
    if work.settings.yes:
        found += await asyncio.to_thread(told_by_others, rows(), work.reader, work.settings)
    warn(found, record, work.ui.tell)
    work.keep(record, found)


async def _correct(work: Session, target: str, file: CorrectionFile, selection: Selection) -> CommandResult:
    record = file.record
    check_here(record)
    check_not_cancelled(record)
    work = replace(work.of(record), source=target if is_file(target) else None)
    exclusions = await asyncio.to_thread(Exclusions, work.settings.exclude, record.spec.id_column)
    chosen = replace(selection, statuses=selection.statuses or CORRECTABLE)
    if not chosen.statuses <= BY_FILE:
        again = command_line("retry", record.spec.name, "--status", "unknown", ledger=work.settings.ledger_to_name)
        raise UsageError(
            f"A file can't have unknown rows sent again, which may be twice. To do so all the same: {again}",
            code="unknown_rows_of_a_file",
            option="--status",
        )
    texts = await asyncio.to_thread(Texts.of, file, work.settings)
    counts = await work.counts(record)
    since = work.reader.last_attempt(record.id)
    must_be_known = work.settings.window is not None and work.settings.time_zone is None
    corrector = Corrector(file=file, texts=texts, selection=chosen, zones_must_be_known=must_be_known)
    plan = await asyncio.to_thread(_planned, work, corrector)
    note, details = describe(plan), {"columns": {"ignored": list(file.ignored), "from_ledger": list(file.missing)}}
    # No results are written here: the file of failed rows would be replaced, and its corrections lost.
    _warn_of_open(work, record, done=plan.totals.already_retried.count)
    if not plan.totals.sent and not plan.totals.waiting:
        nothing = f"Nothing was sent: the file has no row that can be sent again. {note}"
        finished = await work.end(record, End(ended=StopReason.LIMIT), None, nothing)
        await work.end_retry(record)
        return replace(finished, details=finished.details | details)
    if record.desired_state is DesiredState.PAUSED:
        return await work.end(record, End(ended=StopReason.PAUSED), None, is_paused(record))

    def rows() -> Iterator[ResultRow]:
        return chain(replace(corrector, totals=Totals()).to_send(work.reader), work.reader.rows(record.id, OPEN))

    check_not_over(work.schedule(record), now=utc_now())
    await check_same_ledger(work, record, new_ids=plan.totals.new_ids)
    for kind, sentence, columns in file.odd_columns():
        work.warn(kind, sentence, count=len(columns), example=listed(columns), columns=list(columns))
    await _warn_of_rows(work, record, exclusions, rows)
    given = [("--message", work.settings.message), ("--template", work.settings.template), ("--templates", work.settings.templates)]
    instead = _same_command(target, selection, work, *(word for name, text in given if text for word in (name, str(text))))
    work.ask(record, plan.totals.sent + counts.open, chosen.statuses, rows=rows, instead=instead)
    await exclude(work.ledger, record, exclusions)
    count = 0
    decided = replace(corrector, totals=Totals()).batches(work.reader)
    while (batch := await asyncio.to_thread(next, decided, None)) is not None:
        count += await work.ledger.apply_corrections(record.id, batch.corrected, batch.again, chosen.statuses, since=since)
    if duplicates := plan.totals.sent - count:
        note += (
            f" {duplicates:,} of the rows sent again would have been the second of their pass, or were changed meanwhile, and were left."
        )
    finished = await work.send(record, await asyncio.to_thread(results_of, record, work.settings), fresh_canary=True)
    return replace(finished, note=f"{note} {finished.note}".strip(), details=finished.details | details)


def _planned(work: Session, corrector: Corrector) -> Corrector:
    for _ in corrector.batches(work.reader):
        if work.stop.gently.is_set():
            raise StoppedError(
                "Interrupted while the file was being read; nothing was sent. Run the same command again.", code="interrupted"
            )
    return corrector


def _same_command(target: str, selection: Selection, work: Session, *more: str) -> str:
    options = [("--status", [status.value for status in selection.statuses]), ("--reason", list(selection.reasons))]
    options.append(("--http-status", [str(code) for code in selection.http_statuses]))
    given = [word for name, values in options if values for word in (name, ",".join(sorted(values)))]
    return command_line("retry", target, *given, *more, ledger=work.settings.ledger_to_name)
