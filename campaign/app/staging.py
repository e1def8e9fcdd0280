"""Stage: from a checked list to a campaign in the ledger, the same one for the same list again."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from campaign.app.controls import Exclusions
from campaign.app.keeping import check_here
from campaign.app.lists import CheckedList
from campaign.domain.errors import OtherContentError, StoppedError, UsageError
from campaign.domain.model import StagedRow
from campaign.insights import command_line
from campaign.ledger.port import CampaignRecord, Control, Ledger, LedgerReader

LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    record: CampaignRecord
    resumed: bool


async def stage(
    ledger: Ledger,
    reader: LedgerReader,
    given: CheckedList,
    *,
    stop: asyncio.Event,
    ledger_name: str = "",
    exclusions: Exclusions | None = None,
) -> Staged:
    """The campaign of this list: found in the ledger, or staged now. A staging that is stopped, or fails, leaves nothing behind.

    `ledger_name` is what a hint has to give as `--ledger`, if anything. `exclusions` hold also for a campaign that was found.

    Raises:
        OtherContentError: a campaign of this name has another list or message.
        StoppedError: told to stop.
    """
    while True:
        record = reader.campaign(given.spec.name)
        if record is None:
            try:
                record = await ledger.create(given.spec)
            except UsageError:
                # Another process was faster, with the same command perhaps.
                if reader.campaign(given.spec.name) is None:
                    raise
                continue
            return Staged(record=await _fill(ledger, reader, record, given, stop=stop, exclusions=exclusions), resumed=False)
        if record.control is not Control.STAGING:
            check_here(record)
            await _check_same(record, given, ledger_name)
            if await _exclude(ledger, record, exclusions):
                await ledger.apply_exclusions(record.id)
            return Staged(record=record, resumed=True)
        if any(runner.alive for runner in reader.runners(record.id)):
            _check_not_stopped(stop)
            await asyncio.sleep(LOOK_SECONDS)
        else:
            await ledger.discard(record.id)


async def _fill(
    ledger: Ledger,
    reader: LedgerReader,
    record: CampaignRecord,
    given: CheckedList,
    *,
    stop: asyncio.Event,
    exclusions: Exclusions | None,
) -> CampaignRecord:
    stager = given.stager()
    batches = stager.batches(given.table, given.table.columns)
    try:
        while (batch := await asyncio.to_thread(_next, batches)) is not None:
            _check_not_stopped(stop)
            await ledger.stage(record.id, batch)
        await _exclude(ledger, record, exclusions)
        await ledger.finish_staging(record.id, content_sha256=stager.content_sha256)
    except BaseException:
        await asyncio.shield(ledger.discard(record.id))
        raise
    found = reader.campaign(given.spec.name)
    if found is None:
        raise UsageError(f"The campaign “{given.spec.name}” was removed while it was being staged.")
    return found


async def _exclude(ledger: Ledger, record: CampaignRecord, exclusions: Exclusions | None) -> bool:
    """Whether there is anything to exclude, which the ledger then knows."""
    if exclusions is None or not exclusions.files:
        return False
    batches = exclusions.keys()
    while (keys := await asyncio.to_thread(next, batches, None)) is not None:
        await ledger.exclude(record.id, keys)
    return True


def _check_not_stopped(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise StoppedError("Interrupted while the list was being staged; nothing was sent. Run the same command again.")


def _next(batches: Iterator[list[StagedRow]]) -> list[StagedRow] | None:
    return next(batches, None)


async def _check_same(record: CampaignRecord, given: CheckedList, ledger_name: str) -> None:
    if given.layout.results and (record.rows, record.spec.columns) == (given.table.rows, given.layout.columns):
        return
    differences = []
    if record.spec.list_sha256 != given.spec.list_sha256 and record.content_sha256 != await asyncio.to_thread(_content, given):
        differences.append(f"the list has other rows ({record.rows:,} then, {given.table.rows:,} now)")
    if record.spec.message_sha256 != given.spec.message_sha256:
        differences.append("the message, or the column of the pass, is another")
    if differences:
        name = record.spec.name
        raise OtherContentError(
            f"There is a campaign named “{name}” already, and {' and '.join(differences)}. "
            f"To go on with that one: {command_line('resume', name, ledger=ledger_name)}. To send this as a new campaign, "
            f"give it another --name; whoever got the first will get this one too."
        )


def _content(given: CheckedList) -> str:
    stager = given.stager()
    for _ in stager.batches(given.table, given.table.columns):
        pass
    return stager.content_sha256
