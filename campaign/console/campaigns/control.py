"""Pause, resume and cancel a campaign, and read its unknown rows back."""

import asyncio

from aiohttp import web

from campaign.app import control
from campaign.console.access import Role, allow
from campaign.console.audit_log import record
from campaign.console.campaigns.context import RequestedCampaign, check_possible, check_size, context_of, controlled_campaign, token_note
from campaign.console.console import console_of
from campaign.console.pages import campaign_page
from campaign.console.subprocesses import CommandSpec, start_command, started_commands
from campaign.domain.errors import UsageError


@allow(Role.SENDER)
async def pause(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_pause)
    console = console_of(request)
    await record(console.store, asked.person.name, console.pages.text("campaigns.action.pause"), asked.name)
    # In a separate loop: opening a ledger may wait for other writers.
    await asyncio.to_thread(asyncio.run, control.pause(asked.name, console.settings))
    raise web.HTTPSeeOther(campaign_page(asked.name))


@allow(Role.SENDER)
async def before_cancel(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_cancel)
    return console_of(request).pages.respond("campaigns/cancel.html", request, shown=asked.shown)


@allow(Role.SENDER)
async def cancel(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    # A million rows, and requests to PassEntry, take longer than a request may, and must go on even if this console ends.
    spec = CommandSpec(verb="cancel", arguments=(asked.name,), options=("--yes",))
    return await start(request, asked, spec, action="campaigns.action.cancel", possible=asked.shown.may_cancel, besides=True)


@allow(Role.SENDER)
async def before_resume(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    check_possible(request, possible=asked.shown.may_go_on)
    return console_of(request).pages.respond("campaigns/resume.html", request, shown=asked.shown, token_note=token_note(request, asked))


@allow(Role.SENDER)
async def resume(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    if asked.shown.may_go_on and not asked.shown.begun:
        # If a message was sent, the campaign was approved before.
        check_size(request, asked, asked.shown.view.counts.open)
    spec = CommandSpec(verb="resume", arguments=(asked.name,), options=("--yes",))
    return await start(request, asked, spec, action="campaigns.action.resume", possible=asked.shown.may_go_on)


@allow(Role.SENDER)
async def verify(request: web.Request) -> web.StreamResponse:
    asked = await controlled_campaign(request)
    spec = CommandSpec(verb="verify", arguments=(asked.name,))
    return await start(request, asked, spec, action="campaigns.action.verify", possible=asked.shown.may_verify)


async def start(
    request: web.Request,
    asked: RequestedCampaign,
    spec: CommandSpec,
    *,
    action: str,
    details: str = "",
    possible: bool = True,
    besides: bool = False,
) -> web.StreamResponse:
    """Start a command, and redirect to the campaign; `action` is the key of the text for the audit log.

    Raises:
        UsageError: another command about the campaign is running; with `besides`, another one with the same verb. Or it is not `possible`.
    """
    console = console_of(request)
    # Nobody else starts a command between the check and the start, so that a double click starts one.
    async with context_of(request).starting:
        known = [one for one in await started_commands(console, asked.name) if not besides or one.verb == spec.verb]
        if await asyncio.to_thread(lambda: any(one.running() for one in known)):
            raise UsageError(console.pages.text("campaigns.one.busy"), code="busy")
        # Only now: to a second click, “nothing was changed” would be said of what the first one's process has just changed.
        check_possible(request, possible=possible)
        await record(console.store, asked.person.name, console.pages.text(action), asked.name, details)
        await start_command(console, spec, campaign=asked.name, person=asked.person.name)
    raise web.HTTPSeeOther(campaign_page(asked.name))


def routes() -> list[web.RouteDef]:
    return [
        web.post("/campaigns/{name}/pause", pause),
        web.get("/campaigns/{name}/cancel", before_cancel),
        web.post("/campaigns/{name}/cancel", cancel),
        web.get("/campaigns/{name}/resume", before_resume),
        web.post("/campaigns/{name}/resume", resume),
        web.post("/campaigns/{name}/verify", verify),
    ]
