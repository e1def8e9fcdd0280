"""The shared state of the pages about campaigns; the owner of a campaign, and a person's rights on it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from campaign.app.sending.access import other_token
from campaign.console.access import Person, Role, can_control, person_of
from campaign.console.audit_log import owner_of
from campaign.console.campaigns.charts import Charts
from campaign.console.campaigns.exports import Exports
from campaign.console.campaigns.ledger_reads import LedgerReads
from campaign.console.campaigns.view_model import ShownCampaign
from campaign.console.console import console_of
from campaign.console.drafts.context import TaskRunner
from campaign.console.pages import campaign_in
from campaign.console.store import Store
from campaign.domain.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignContext:
    """One per console. `file_reader` reads corrected files; the holder of `starting` may start a command."""

    ledger: LedgerReads
    charts: Charts
    exports: Exports
    file_reader: TaskRunner
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)


CAMPAIGNS: Final = web.AppKey("watching", CampaignContext)


def context_of(request: web.Request) -> CampaignContext:
    return request.app[CAMPAIGNS]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedCampaign:
    """The campaign of a request; `whole`: the person may control it, and read all of it."""

    shown: ShownCampaign
    name: str
    owner: str
    person: Person
    whole: bool


async def requested_campaign(request: web.Request) -> RequestedCampaign:
    """The campaign in the address of a request. Raises HTTPNotFound if there is none."""
    name = campaign_in(request)
    seen = await context_of(request).ledger.campaign(name)
    if seen is None:
        raise web.HTTPNotFound(text=console_of(request).pages.text("campaigns.one.missing"))
    owner, person = await owner_of(console_of(request).store, name), person_of(request)
    return RequestedCampaign(shown=ShownCampaign(seen), name=name, owner=owner, person=person, whole=can_control(person, owner))


async def controlled_campaign(request: web.Request) -> RequestedCampaign:
    """The same, for people who may control it. Raises HTTPForbidden if the campaign belongs to somebody else."""
    asked = await requested_campaign(request)
    if not asked.whole:
        raise web.HTTPForbidden(text=console_of(request).pages.text("campaigns.one.not_yours"))
    return asked


def token_note(request: web.Request, asked: RequestedCampaign) -> str:
    """A note if the campaign was sent with another token than the console's; empty if not, or if the console has none."""
    with suppress(UsageError):
        return other_token(asked.shown.view.record, console_of(request).settings, lambda: asked.shown.view.counts)
    return ""


async def owners(store: Store) -> dict[str, str]:
    """The owners by campaign, without campaigns that a command or a job began."""
    found = await store.do(lambda db: db.execute("SELECT campaign, person FROM owners").fetchall())
    return {str(campaign): str(person) for campaign, person in found}


def check_possible(request: web.Request, *, possible: bool) -> None:
    """Raises UsageError if the campaign's state does not allow an action now."""
    if not possible:
        raise UsageError(console_of(request).pages.text("campaigns.one.not_now"), code="not_now")


def check_size(request: web.Request, asked: RequestedCampaign, messages: int) -> None:
    """Check that this many recipients need no second person, or that the person is an approver who does not own the campaign.

    Raises:
        HTTPForbidden: an approver other than the owner has to do it.
    """
    console, person = console_of(request), asked.person
    most = console.rules.approval_over
    if most is not None and messages > most and (person.role < Role.APPROVER or person.name == asked.owner):
        raise web.HTTPForbidden(text=console.pages.text("campaigns.one.needs_approver", count=f"{messages:,}", most=f"{most:,}"))
