"""Background work: at the start, it resumes what a killed console left; each day, it removes old drafts.

The customers' data of a sent draft is removed when its campaign is purged, or else KEPT_SECONDS after the campaign's end.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from enum import Enum
from typing import Final

import structlog
from aiohttp import web

from campaign.app.open_ledger import reading
from campaign.console import audit_log
from campaign.console.console import CONSOLE
from campaign.console.drafts.context import DRAFTS, DraftContext
from campaign.console.drafts.draft import Draft, Stage
from campaign.console.drafts.sending import Sender
from campaign.console.drafts.store import RECORD
from campaign.console.drafts.wizard import SENDER
from campaign.domain.errors import CampaignError
from campaign.domain.model import CampaignState
from campaign.insights import view
from campaign.ledger.port import LedgerReader

KEPT_SECONDS: Final = 30 * 86_400.0
_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})


class RetentionDecision(Enum):
    """`EMPTIED`: the draft loses its files and the person's own pass; its name stays taken."""

    STAYS = "stays"
    EMPTIED = "emptied"
    GONE = "gone"


def clear(context: DraftContext, now: float) -> list[Draft]:
    """Remove the files of sent drafts that are no longer needed; returns those drafts. Blocks.

    Raises:
        CampaignError: the ledger can't be read; nothing was removed.
    """
    sent = [draft for draft in context.store.all() if draft.stage is Stage.SENT]
    with reading(context.console.settings) as reader:
        fates = [(draft, _decision(reader, draft, now)) for draft in sent]
    for draft, fate in fates:
        if fate is RetentionDecision.GONE:
            context.store.clear_away(draft.id)
        elif fate is RetentionDecision.EMPTIED:
            context.store.change(draft.id, lambda found: replace(found, list=None, excludes=(), own_pass=""))
            _empty(context, draft)
    return [
        draft for draft, fate in fates if fate is not RetentionDecision.STAYS and (draft.list is not None or fate is RetentionDecision.GONE)
    ]


def _decision(reader: LedgerReader, draft: Draft, now: float) -> RetentionDecision:
    record = reader.campaign(draft.name)
    if record is None:
        # The campaign was deleted, or is in another ledger for now. It is not known which, so wait as long as after an end.
        return RetentionDecision.EMPTIED if now - draft.changed_at > KEPT_SECONDS else RetentionDecision.STAYS
    if record.purged_at:
        return RetentionDecision.GONE
    if any(runner.alive for runner in reader.runners(record.id)) or view(reader, record).state not in _ENDED:
        return RetentionDecision.STAYS
    return RetentionDecision.EMPTIED if now - reader.last_change(record.id) > KEPT_SECONDS else RetentionDecision.STAYS


def _empty(context: DraftContext, draft: Draft) -> None:
    # The folder stays, as a retry writes its results there.
    for entry in context.folder(draft).iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != RECORD:
            entry.unlink(missing_ok=True)


DAY_SECONDS: Final = 86_400.0
NOBODY: Final = "(the console)"


async def background(app: web.Application) -> AsyncIterator[None]:
    """For `cleanup_ctx`: runs from the console's start to its end."""
    context = DraftContext.of(app[CONSOLE])
    sender = Sender(context)
    app[DRAFTS], app[SENDER] = context, sender
    await asyncio.to_thread(context.store.drop_parts)
    await sender.recover()
    sweeping = asyncio.get_running_loop().create_task(_sweep_daily(context))
    try:
        yield
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await sender.close()
        await context.jobs.close()


async def _sweep_daily(context: DraftContext) -> None:
    while True:
        try:
            for draft in await asyncio.to_thread(context.store.sweep, time.time()):
                await audit_log.record(context.console.store, NOBODY, context.console.pages.text("drafts.action.swept"), draft.name)
            for draft in await asyncio.to_thread(clear, context, time.time()):
                await audit_log.record(context.console.store, NOBODY, context.console.pages.text("drafts.action.cleared"), draft.name)
        except (CampaignError, OSError) as error:
            structlog.get_logger().warning("drafts_not_swept", problem=str(error))
        await asyncio.sleep(DAY_SECONDS)
