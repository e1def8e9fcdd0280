"""Pauses or cancels a campaign, whichever process sends it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from campaign.app.campaign_settings import kept_of, utc_now
from campaign.app.open_ledger import find_whole, opened_ledger
from campaign.app.results.known_results import is_there
from campaign.app.results.sending_marker import check_not_sent_into, unmark
from campaign.app.results.write import check_replaceable, write
from campaign.app.run import results_of
from campaign.app.sending.batches import check_can_undo, check_undone, may_turn_up, orphans
from campaign.app.sending.send import send
from campaign.domain.batches import InBatches
from campaign.domain.errors import CampaignError, UsageError
from campaign.domain.lists.locations import Location
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader
from campaign.sender.port import Silence
from campaign.sender.stop import StopRequest
from campaign.settings import Settings


async def pause(name: str, settings: Settings) -> bool:
    """Pause a campaign, whichever processes are sending it. Returns whether it was; nothing is changed of one that has ended.

    Raises:
        UsageError: there is no such campaign, or it was cancelled.
    """
    async with opened_ledger(settings) as (ledger, reader):
        record = find_whole(reader, name)
        if record.desired_state is DesiredState.CANCELLED:
            raise UsageError(f"The campaign “{name}” was cancelled: there is nothing to pause.", code="cancelled", campaign=name)
        if _has_ended(reader, record):
            return False
        await ledger.set_desired_state(record.id, DesiredState.PAUSED)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What a cancellation did.

    `finished` is True if the campaign had ended, so that nothing was changed; `again` if it was cancelled before. `undone` rows of batches
    were cancelled at PassEntry, and `left` are left to a process that sends them. `is_sent` is True while a process still sends: it writes
    the results. Else `results` is where they were written, and `problem` why they were not.
    """

    finished: bool = False
    again: bool = False
    undone: int = 0
    left: int = 0
    is_sent: bool = False
    results: Location | None = None
    problem: str = ""


async def cancel(
    name: str,
    settings: Settings,
    *,
    agree: Callable[[], None] = lambda: None,
    stop: StopRequest | None = None,
    tell: Callable[[InBatches], None] = lambda _: None,
) -> Cancelled:
    """Cancel a campaign, whichever processes are sending it. `agree` is called before something is changed for good; it may raise.

    The batches that an earlier run left scheduled at PassEntry are cancelled, too, and the outcome of those that it released is read. That
    takes a while, so `tell` is called before. The results of a campaign that was sent before are written, unless a process is sending it.

    Raises:
        UsageError: there is no such campaign; or there is no token to cancel batches with.
        SafeguardError: batches are left at PassEntry, and no process works on them.
    """
    async with opened_ledger(settings) as (ledger, reader):
        record = find_whole(reader, name)
        if record.desired_state is not DesiredState.CANCELLED and not _has_ended(reader, record):
            agree()
        # Asking takes time.
        record = find_whole(reader, name)
        again = record.desired_state is DesiredState.CANCELLED
        finished = not again and _has_ended(reader, record)
        is_sent = any(runner.alive for runner in reader.runners(record.id))
        # A cancelled campaign has no rows that results of another ledger could know more about; and whoever sends must stop at once.
        newer = "" if again or finished or is_sent else await asyncio.to_thread(_newer_results, record, reader, settings)
        if not again and not finished:
            await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
        undone = await _undo_batches(find_whole(reader, name), ledger, reader, settings, stop=stop or StopRequest(), tell=tell)
        if finished:
            return Cancelled(finished=True)
        left = sum(batch.rows for batch in reader.batches(record.id))
        if any(runner.alive for runner in reader.runners(record.id)):
            return Cancelled(again=again, undone=undone, left=left, is_sent=True)
        if newer:
            return Cancelled(undone=undone, left=left, problem=newer)
        results, problem = await _write_results(record, ledger, reader, settings, replace=undone > 0 or not again)
        return Cancelled(again=again, undone=undone, left=left, results=results, problem=problem)


async def _undo_batches(
    record: CampaignRecord,
    ledger: Ledger,
    reader: LedgerReader,
    settings: Settings,
    *,
    stop: StopRequest,
    tell: Callable[[InBatches], None],
) -> int:
    """Cancel at PassEntry the batches that nobody works on, of a campaign that was cancelled or has ended; returns of how many rows."""
    await ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
    left = orphans(reader, record)
    if not left and not may_turn_up(reader, record):
        return 0
    check_can_undo(record, left, settings)
    if left:
        tell(InBatches.of(left, now=utc_now().timestamp()))
    kept = settings.with_fallback(kept_of(record.spec.settings))
    skipped = reader.counts(record.id).by_status[Status.SKIPPED]
    only = None if record.desired_state is DesiredState.CANCELLED else ()
    end = await send(record, ledger, reader, kept, observer=Silence(), stop=stop, only=only)
    check_undone(record, orphans(reader, record), end, stop)
    return reader.counts(record.id).by_status[Status.SKIPPED] - skipped


def _newer_results(record: CampaignRecord, reader: LedgerReader, settings: Settings) -> str:
    """Why the results of another ledger must not be replaced by those of this one; empty if there are none that know more."""
    if not _has_results(record):
        return ""
    try:
        if (results := results_of(record, settings)) is not None:
            check_replaceable(reader, record, results)
    except CampaignError as error:
        return str(error)
    return ""


def _has_results(record: CampaignRecord) -> bool:
    """Whether something of the campaign was sent from this ledger, and is in it."""
    return bool(record.started_at) and not record.purged_at and not record.exported_at


async def _write_results(
    record: CampaignRecord, ledger: Ledger, reader: LedgerReader, settings: Settings, *, replace: bool
) -> tuple[Location | None, str]:
    """Write the results of a cancelled campaign, unless nothing was sent; returns where, or why not. Unless `replace`, a file stays."""
    if not _has_results(record):
        return None, ""

    def work() -> tuple[Location | None, bool]:
        results = results_of(record, settings)
        is_written = results is not None and (replace or not is_there(results))
        if results is not None and is_written:
            check_not_sent_into(results, record, reader)
            write(reader, record, results)
        return results, is_written

    try:
        results, is_written = await asyncio.to_thread(work)
    except CampaignError as error:
        return None, str(error)
    # Beside older results the marker of a run that was killed stays.
    if is_written:
        await unmark(record, ledger, reader, results)
    return results, ""


def _has_ended(reader: LedgerReader, record: CampaignRecord) -> bool:
    return reader.pending_work(record.id).finished and not reader.batches(record.id)
