"""Whole commands: what `run`, `resume`, `retry`, `verify` and `test` do from start to end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from campaign.app.lists import opened
from campaign.app.sending import Stop, check_access, exit_code, find, report, send, verify
from campaign.app.staging import stage
from campaign.domain.errors import InputError, SafeguardError, UsageError
from campaign.domain.model import Counts, StagedRow, Status
from campaign.insights import CampaignView, view
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control, LedgerReader
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.loader.columns import check_pass_id, pass_key
from campaign.reporter.results import check_writable
from campaign.sender.ending import End, Ended
from campaign.sender.port import Observer
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The side that people see. `confirm` asks whether to send, `watch` shows a run, `listen` hears signals (inside the event loop)."""

    confirm: Callable[[CampaignRecord, Counts, str], bool]
    watch: Callable[[str, Counts], AbstractContextManager[Observer]]
    listen: Callable[[], Stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    view: CampaignView
    why: str = ""


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[tuple[SqliteLedger, SqliteReader]]:
    ledger = SqliteLedger(settings.ledger_path)
    reader = SqliteReader(settings.ledger_path)
    try:
        yield ledger, reader
    finally:
        await ledger.close()
        reader.close()


async def run_list(source: str, settings: Settings, front: Front) -> Finished:
    """Stage (or find), send, report.

    Raises:
        CampaignError: with the exit code that says how far it came.
    """
    stop = front.listen()
    check_access(settings)
    with opened(source, settings) as given:
        results = Path(given.spec.settings["results"])
        list_file = None if source == "-" else given.table.path
        check_writable(results, list_file=list_file, columns=given.layout.columns, rows=given.table.rows, batches=given.own_cells)
        async with _ledger(settings) as (ledger, reader):
            staged = await stage(ledger, reader, given, stop=stop.gently)
            return await _go_on(staged.record, ledger, reader, settings, front=front, stop=stop, results=results)


async def resume(name: str, settings: Settings, front: Front) -> Finished:
    """Go on with a campaign that is staged; a paused one is let go again."""
    stop = front.listen()
    check_access(settings)
    async with _ledger(settings) as (ledger, reader):
        record = find(reader, name)
        _check_not_cancelled(record)
        if record.control is Control.PAUSED:
            await ledger.control(record.id, Control.GO)
        return await _go_on(find(reader, name), ledger, reader, settings, front=front, stop=stop, results=_results(record, settings))


async def retry(target: str, statuses: frozenset[Status], settings: Settings, front: Front) -> Finished:
    """Send rows of these statuses again; the target is a campaign's name, or a results file."""
    stop = front.listen()
    check_access(settings)
    async with _ledger(settings) as (ledger, reader):
        if reader.campaign(target) is None and is_file(target):
            with opened(target, settings) as given:
                if not given.layout.results:
                    raise UsageError(f"{target} is not a results file: it has no delivery_ columns. Give one, or a campaign's name.")
                record = (await stage(ledger, reader, given, stop=stop.gently)).record
        else:
            record = find(reader, target)
        _check_not_cancelled(record)
        await ledger.retry(record.id, statuses)
        return await _go_on(record, ledger, reader, settings, front=front, stop=stop, results=_results(record, settings))


async def read_back(name: str, settings: Settings, front: Front) -> Finished:
    """Read the passes of unknown rows back; sends nothing."""
    stop = front.listen()
    check_access(settings)
    async with _ledger(settings) as (ledger, reader):
        record = find(reader, name)
        with front.watch(name, reader.counts(record.id)) as observer:
            await verify(record, ledger, reader, settings, observer=observer, stop=stop)
        return _ended(record, reader, End(ended=Ended.LIMIT), stop, _results(record, settings))


async def send_test(source: str, to: str, row: int | None, settings: Settings, front: Front) -> Finished:
    """Send the message of one row of the list to one's own pass, as a campaign of its own.

    Args:
        source: the list.
        to: the pass.
        row: which row's message; None takes the first that has one.
        settings: as for `run_list`.
        front: (same)
    """
    stop = front.listen()
    check_access(settings)
    pass_id, problem, sentence = check_pass_id(to)
    if problem is not None:
        raise UsageError(f"--to: {sentence}")
    with opened(source, settings) as given:
        batches = given.stager().batches(given.table, given.table.columns)
        wanted = (found for batch in batches for found in batch if (found.row == row if row else found.outcome.status is Status.PENDING))
        chosen = next(wanted, None)
        if chosen is None or not chosen.message:
            why = chosen.outcome.error if chosen is not None else "there is no such row"
            raise UsageError(f"{source} has no message to test with: {why}.")
        spec = replace(
            given.spec, name=f"{given.spec.name} test {time.strftime('%Y-%m-%d %H:%M:%S')}", settings={"results": "", "rate": "9"}
        )
        async with _ledger(settings) as (ledger, reader):
            await _stage_one(ledger, spec, replace(chosen, row=1, pass_id=pass_id, pass_key=pass_key(pass_id)))
            return await _go_on(find(reader, spec.name), ledger, reader, settings, front=front, stop=stop, results=None)


async def control(name: str, wanted: Control, settings: Settings) -> CampaignView:
    """Pause or cancel, whichever process is sending."""
    async with _ledger(settings) as (ledger, reader):
        record = find(reader, name)
        await ledger.control(record.id, wanted)
        return view(reader, find(reader, name))


async def _stage_one(ledger: SqliteLedger, spec: CampaignSpec, row: StagedRow) -> None:
    record = await ledger.create(spec)
    await ledger.stage(record.id, [row])
    await ledger.finish_staging(record.id, content_sha256="")


async def _go_on(
    record: CampaignRecord,
    ledger: SqliteLedger,
    reader: SqliteReader,
    settings: Settings,
    *,
    front: Front,
    stop: Stop,
    results: Path | None,
) -> Finished:
    counts = reader.counts(record.id)
    if counts.open and not settings.yes and not front.confirm(record, counts, _sample(reader, record)):
        raise UsageError(f"Nothing was sent. The campaign “{record.spec.name}” is ready: campaign resume {record.spec.name}")
    with front.watch(record.spec.name, counts) as observer:
        end = await send(record, ledger, reader, settings, observer=observer, stop=stop)
    return await asyncio.to_thread(_ended, record, reader, end, stop, results)


def _ended(record: CampaignRecord, reader: LedgerReader, end: End, stop: Stop, results: Path | None) -> Finished:
    if results is not None:
        _report(reader, record, results)
    fresh = find(reader, record.spec.name)
    seen = replace(view(reader, fresh), results=str(results) if results is not None else "")
    return Finished(view=replace(seen, exit_code=exit_code(end, seen, stop)), why=end.why)


def _report(reader: LedgerReader, record: CampaignRecord, results: Path) -> None:
    try:
        report(reader, record, results)
    except (UsageError, InputError) as error:
        # Their exit code says that nothing was sent, and that is no longer so.
        name = record.spec.name
        raise SafeguardError(f"{error} What was sent is safe in the ledger: campaign report {name} --output FILE") from error


def _results(record: CampaignRecord, settings: Settings) -> Path | None:
    stored = record.spec.settings.get("results", "")
    return settings.results.absolute() if settings.results is not None else Path(stored) if stored else None


def _sample(reader: LedgerReader, record: CampaignRecord) -> str:
    return next((row.message for row in reader.rows(record.id, frozenset({Status.PENDING}))), "")


def is_file(name: str) -> bool:
    return Path(name).is_file()


def _check_not_cancelled(record: CampaignRecord) -> None:
    if record.control is Control.CANCELLED:
        raise UsageError(f"The campaign “{record.spec.name}” was cancelled; nothing more of it is sent. Start a new one with campaign run.")
