"""A whole campaign out of one ledger, as one file (`moved_file`), and into another."""

import asyncio
from dataclasses import replace
from pathlib import Path

from campaign.app.controls import home_zone
from campaign.app.finding import find
from campaign.app.keeping import check_here
from campaign.app.ledgers import open_ledger, open_reader
from campaign.app.lists import as_file_name
from campaign.app.moved_file import batches, checked, write
from campaign.app.returning import check_may_come
from campaign.domain.errors import UsageError
from campaign.ledger.port import CampaignRecord, Control
from campaign.settings import Settings


async def export(name: str, file: Path, settings: Settings) -> CampaignRecord:
    """Hand a campaign over, and write it to a file. From then on nothing of it is sent from this ledger; again, it writes the same.

    Raises:
        UsageError: the file is there already or can't be written, or the campaign is being worked on: it is this ledger's as before.
        DiskFullError: (same)
    """
    file = _absolute(file, new=True)
    ledger, reader = open_ledger(settings), open_reader(settings)
    try:
        record = find(reader, name)
        if record.forgotten_at:
            check_here(record)
        await ledger.bury(quiet_seconds=settings.quiet_period)
        first = await ledger.hand_over(record.id, str(file))
        try:
            await asyncio.to_thread(write, reader, _with_its_zone(record, settings), file)
        except BaseException:
            if first:
                await asyncio.shield(ledger.take_back(record.id))
            raise
        return record
    finally:
        await ledger.close()
        reader.close()


async def take_in(file: Path, settings: Settings) -> CampaignRecord:
    """Make a campaign of a file this ledger's; nothing is sent by that.

    Raises:
        InputError: the file is damaged, or of another version.
        UsageError: there is a campaign of its name.
    """
    file = _absolute(file, new=False)
    header = await asyncio.to_thread(checked, file)
    name = settings.name or header.record.spec.name
    results = file.with_name(f"{as_file_name(name)}.results.csv")
    spec = replace(header.record.spec, name=name, settings=header.record.spec.settings | {"results": str(results)})
    ledger, reader = open_ledger(settings), open_reader(settings)
    try:
        half = reader.campaign(name)
        if half is not None and half.control is Control.STAGING:
            await ledger.discard(half.id)
        check_may_come(reader, header.record, header.runners)
        made = await ledger.create(spec)
        try:
            await ledger.take_in_runners(made.id, header.runners)
            parts = batches(file)
            while (batch := await asyncio.to_thread(next, parts, None)) is not None:
                await ledger.take_in(made.id, batch.rows, batch.attempts)
                await ledger.exclude(made.id, batch.excluded)
            await ledger.finish_taking_in(made.id, header.record, header.before, header.waits)
        except BaseException:
            await asyncio.shield(ledger.discard(made.id))
            raise
        return find(reader, name)
    finally:
        await ledger.close()
        reader.close()


def _absolute(file: Path, *, new: bool) -> Path:
    if new and file.exists():
        raise UsageError(f"{file} is there already. Give --output another name.", code="file_exists")
    return file.absolute()


def _with_its_zone(record: CampaignRecord, settings: Settings) -> CampaignRecord:
    """The campaign with the zone that its hours are of: where it goes, the machine's may be another."""
    kept = record.spec.settings
    if kept.get("time_zone") or not any(kept.get(name) for name in ("window", "start_at", "not_after")):
        return record
    return replace(record, spec=replace(record.spec, settings=kept | {"time_zone": home_zone(settings).key}))
