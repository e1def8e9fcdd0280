"""The use cases of `run`, `stage`, `send`, `resume` and `verify`, from start to end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from campaign.app.campaign_settings import kept_of, remembered, utc_now
from campaign.app.ledger_checks.same_content import warn_of_same_content, warn_of_same_message
from campaign.app.ledger_checks.same_ledger import check_same_ledger
from campaign.app.ledger_checks.unknown_campaign import check_known
from campaign.app.lists.exclusions import Exclusions
from campaign.app.lists.list_source import CheckedList, ListCheck, ListSource, find_list, opened
from campaign.app.lists.message_warnings import FIRST_MESSAGES, first_findings
from campaign.app.lists.stage import LOOK_SECONDS, Staged, check_rest, stage, warn
from campaign.app.open_ledger import check_here, find, find_whole
from campaign.app.results.writable import check_writable, check_writable_of
from campaign.app.sending.access import check_access, check_same_api, other_token
from campaign.app.sending.batches import check_batch_settings, may_turn_up
from campaign.app.sending.send import verify
from campaign.app.session import CommandResult, Session, UserInterface, session
from campaign.domain.errors import StoppedError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl, parse_location, place_of
from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, DesiredState
from campaign.sender.stop import End, StopReason, StopRequest, happens_within
from campaign.settings import Settings

T = TypeVar("T")


@asynccontextmanager
async def in_thread(context: AbstractContextManager[T], stop: StopRequest) -> AsyncIterator[T]:
    """Open a file in a thread, so that signals are handled meanwhile."""
    file = await asyncio.to_thread(context.__enter__)
    try:
        yield file
    except StoppedError as error:
        error.exit_code = stop.exit_code
        raise
    finally:
        context.__exit__(None, None, None)


async def run_list(source: ListSource, settings: Settings, ui: UserInterface) -> CommandResult:
    """Stage a list, or find its campaign; send it and report.

    Raises:
        CampaignError: its exit code says how far the run came.
    """
    check_access(settings)
    source = find_list(source, settings)
    async with _staged(source, settings, ui) as (work, staged, results):
        if settings.yes:
            await _warn_of_texts(work, staged)
        return await _go_on(work.of(staged.record), staged.record, results, resumed=staged.resumed)


async def stage_list(source: ListSource, settings: Settings, ui: UserInterface) -> CommandResult:
    """Stage a list, or find its campaign. After that any number of processes may `join`, on any machine that has the ledger.

    Raises:
        CampaignError: (same)
    """
    async with _staged(source, settings, ui) as (work, staged, _):
        await _warn_of_texts(work, staged)
        work.tell_new_ledger(staged.record)
        await work.ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
        how = "was staged before" if staged.resumed else "is staged"
        note = f"It {how}; nothing was sent. Any number of processes may send it together, each by the same command."
        finished = await work.end(staged.record, End(ended=StopReason.LIMIT), None, note)
        return replace(finished, view=replace(finished.view, exit_code=3 if finished.view.counts.needs_attention else 0))


async def _warn_of_texts(work: Session, staged: Staged) -> None:
    """Warn of texts that nobody means to send, as the question before sending does."""
    if staged.resumed:
        return
    findings = await asyncio.to_thread(first_findings, staged.record, work.reader, work.settings)
    among = f"Of the first {FIRST_MESSAGES:,} messages: " if staged.record.rows > FIRST_MESSAGES else ""
    warn(findings, staged.record, work.ui.tell, among=among)
    work.keep(staged.record, findings)


@asynccontextmanager
async def _staged(source: ListSource, settings: Settings, ui: UserInterface) -> AsyncIterator[tuple[Session, Staged, Location | None]]:
    stop = ui.listen()
    check_batch_settings(settings)
    source = find_list(source, settings)
    async with in_thread(opened(source, settings), stop) as given:
        stored = given.spec.settings["results"]
        results = place_of(stored) if stored else None
        if results is not None:
            await asyncio.to_thread(
                check_writable,
                results,
                campaign=given.spec.name,
                list_file=_file_of(source, given),
                columns=given.layout.columns,
                rows=given.table.rows,
                batches=given.own_cells,
                lines=given.table.lines,
            )
        async with session(settings, ui, stop, source) as work:
            exclusions = await asyncio.to_thread(Exclusions, settings.exclude, given.spec.id_column)
            staged = await stage_unless_known(work, given, source, exclusions)
            work.keep(staged.record, staged.findings)
            may_send = staged.record.desired_state is not DesiredState.CANCELLED and not work.reader.pending_work(staged.record.id).finished
            if may_send:
                await asyncio.to_thread(warn_of_same_content, work, staged.record, given.same_messages)
                await asyncio.to_thread(warn_of_same_message, work, staged.record, given)
            yield work, staged, results


async def stage_unless_known(
    work: Session, given: CheckedList, source: ListSource, exclusions: Exclusions | None = None, check: ListCheck | None = None
) -> Staged:
    """Stage a list, unless another ledger has sent it; raises as `check_known`, `check` and `stage` do."""
    settings, own_zones = work.settings, given.layout.zone_place is not None
    agreed = await check_known(work, given, source)
    if check is not None:
        await asyncio.to_thread(check, given)
    return await stage(
        work.ledger,
        work.reader,
        given,
        stop=work.stop.gently,
        quiet_seconds=settings.quiet_period,
        ledger_name=settings.ledger_to_name,
        exclusions=exclusions,
        begin=lambda spec: replace(spec, settings=spec.settings | remembered(settings, now=utc_now(), own_zones=own_zones) | agreed),
        tell=work.ui.tell,
    )


def _file_of(source: ListSource, given: CheckedList) -> Location | None:
    """The list's file, which the results must not replace."""
    if not isinstance(source, str) or source == "-":
        return None
    place = place_of(source)
    return place if isinstance(place, ObjectUrl) else given.table.source.original


async def resume(name: str, settings: Settings, ui: UserInterface) -> CommandResult:
    """Go on with a staged campaign; ends a pause."""
    stop = ui.listen()
    check_access(settings)
    async with session(settings, ui, stop) as begun:
        record = find_whole(begun.reader, name)
        check_here(record)
        check_not_cancelled(record)
        work = begun.of(record)
        results = await asyncio.to_thread(results_of, record, settings)
        await _check_rest(work, record, settings)
        counts = await work.counts(record)
        if counts.unfinished:
            await check_same_ledger(work, record, results=results)
        work.ask(record, counts.open, frozenset({Status.PENDING}))
        if record.desired_state is DesiredState.PAUSED:
            await work.ledger.set_desired_state(record.id, DesiredState.GO)
        return await _go_on(work, find(begun.reader, name), results, resumed=True, asked=counts)


async def join(name: str, settings: Settings, ui: UserInterface) -> CommandResult:
    """Help to send a campaign that was staged, here or elsewhere. A paused campaign stays paused.

    Raises:
        CampaignError: (same)
    """
    stop = ui.listen()
    check_access(settings)
    async with session(settings, ui, stop) as begun:
        record = await _staged_by_others(begun, name)
        check_here(record)
        check_not_cancelled(record)
        work = begun.of(record)
        results = await asyncio.to_thread(results_of, record, settings) if settings.results or _can_write_here(work, record) else None
        await _check_rest(work, record, settings)
        return await _go_on(work, record, results, resumed=True)


async def _check_rest(work: Session, record: CampaignRecord, settings: Settings) -> None:
    exclusions = await asyncio.to_thread(Exclusions, settings.exclude, record.spec.id_column)
    work.keep(record, await check_rest(work.ledger, work.reader, record, exclusions, tell=work.ui.tell))


async def _staged_by_others(work: Session, name: str) -> CampaignRecord:
    """The campaign, after its list is staged; waits while another process is staging it."""
    while True:
        record = work.reader.campaign(name)
        if (
            record is None
            or record.desired_state is not DesiredState.STAGING
            or not any(one.alive for one in work.reader.runners(record.id))
        ):
            return find_whole(work.reader, name)
        if await happens_within(work.stop.gently, LOOK_SECONDS):
            raise StoppedError(
                "Interrupted while another process was staging the list; nothing was sent.",
                exit_code=work.stop.exit_code,
                code="interrupted",
            )


async def read_back(name: str, settings: Settings, ui: UserInterface) -> CommandResult:
    """Read the passes of unknown rows back; sends nothing."""
    stop = ui.listen()
    check_access(settings)
    async with session(settings, ui, stop) as work:
        record = find_whole(work.reader, name)
        check_here(record)
        check_same_api(record, settings)
        if sentence := other_token(record, settings, lambda: work.reader.counts(record.id)):
            work.warn("other_token", sentence, count=1, example=record.spec.name, in_summary=True)
        results = await asyncio.to_thread(results_of, record, settings)
        counts = await work.counts(record)
        if not counts.by_status[Status.UNKNOWN]:
            return await work.end(record, End(ended=StopReason.LIMIT), results, "Nothing was read: the campaign has no unknown rows.")
        with ui.watch(name, counts) as observer:
            kept = settings.with_fallback(kept_of(record.spec.settings))
            end = await verify(record, work.ledger, work.reader, kept, observer=observer, stop=stop)
        return await work.end(record, end, results, end.why)


async def _go_on(
    work: Session,
    record: CampaignRecord,
    results: Location | None,
    *,
    resumed: bool,
    asked: Counts | None = None,
) -> CommandResult:
    counts = asked or await work.counts(record)
    if record.desired_state is DesiredState.PAUSED and counts.open:
        return await work.end(record, End(ended=StopReason.PAUSED), results, is_paused(record))
    cancelled = record.desired_state is DesiredState.CANCELLED
    ended = work.reader.pending_work(record.id).finished or (cancelled and not counts.open)
    if resumed and ended and not may_turn_up(work.reader, record):
        if work.settings.moved_here:
            await check_same_ledger(work, record, results=results)
        note = (
            "Nothing was sent: this campaign was cancelled."
            if cancelled
            else "Nothing was sent: every row of this campaign has ended before, and what has ended is never sent again by itself."
        )
        finished = await work.end(record, End(ended=StopReason.FINISHED), results, note)
        await work.end_retry(record)
        return finished
    if asked is None:
        if counts.unfinished:
            await check_same_ledger(work, record, results=results)
        work.ask(record, counts.open, frozenset({Status.PENDING}))
    # Counted again only if a person was asked, which takes time: for a million rows, counting is the slowest step before the first send.
    return await work.send(record, results, counts=counts if work.settings.yes else None)


def _can_write_here(work: Session, record: CampaignRecord) -> bool:
    """Whether the campaign's results can be written by this process, which may run on another machine than the one that staged the list."""
    stored = record.spec.settings.get("results", "")
    place = place_of(stored) if stored else None
    if not isinstance(place, Path) or os.access(place.parent, os.W_OK):
        return True
    export = command_line("report", record.spec.name, "--output", "FILE", ledger=work.settings.ledger_to_name)
    sentence = f"This process writes no results: {place.parent} is not here, or can't be written. The results: {export}"
    work.ui.tell("results_not_here", sentence, level="info", results=str(place))
    work.sentences.append(sentence)
    return False


def is_paused(record: CampaignRecord) -> str:
    return f"Nothing was sent: the campaign “{record.spec.name}” is paused, and only resume lets it go on."


def results_of(record: CampaignRecord, settings: Settings) -> Location | None:
    """Where the campaign's results go; checks that it is writable, which takes time for an object in a store."""
    stored = record.spec.settings.get("results", "")
    results = settings.results.absolute() if settings.results is not None else place_of(stored) if stored else None
    if results is not None:
        check_writable_of(record, results)
    return results


def is_file(name: str) -> bool:
    place = parse_location(name)
    return isinstance(place, ObjectUrl) or place.is_file()


def check_not_cancelled(record: CampaignRecord) -> None:
    if record.desired_state is DesiredState.CANCELLED:
        raise UsageError(
            f"The campaign “{record.spec.name}” was cancelled; nothing more of it is sent. campaign verify reads back what "
            "is unknown of it. A new campaign sends to everyone in its list, also to those who got this message.",
            code="cancelled",
            campaign=record.spec.name,
        )
