"""The fourth step, the check; the last step, the plan and its approval; and the page of drafts that wait for approval."""

import asyncio
import time
from typing import Any

from aiohttp import web

from campaign.app.campaign_settings import schedule_of, utc_now
from campaign.app.confirmation import NUMBER_FROM, Plan, is_number, plan_in_words
from campaign.console import audit_log
from campaign.console.access import Person, Role, allow, person_of
from campaign.console.console import Console, console_of
from campaign.console.drafts import wizard
from campaign.console.drafts.context import RunningTask, context_of, draft_of
from campaign.console.drafts.draft import Draft, Stage, approving, asking, check_second, given_of, needs_approval, returning, taking_back
from campaign.console.drafts.inspection import PROBLEMS, ListCheck, kept_check
from campaign.console.drafts.wizard import Step, missing
from campaign.console.pages import ErrorText, campaign_page
from campaign.domain.errors import UsageError
from campaign.domain.lists.lint_findings import LintKind
from campaign.domain.text.durations import words
from campaign.settings import Via

SOON_SECONDS = 1.5


@allow(Role.SENDER)
async def show_check(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await wizard.show(request, Step.CHECK, draft, **await checked(request, draft))


@allow(Role.SENDER)
async def problem_rows(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    folder = context_of(request).folder(draft)
    found = await asyncio.to_thread(kept_check, folder, draft.checkable)
    if found is None or found.error:
        raise web.HTTPSeeOther(wizard.address(draft, Step.CHECK))
    # A browser never shows an uploaded value as a page: it saves the file, whatever it contains.
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="problem-rows.csv"',
        "Cache-Control": "no-store",
    }
    return web.FileResponse(folder / PROBLEMS, headers=headers)


async def checked(request: web.Request, draft: Draft) -> dict[str, Any]:
    """The draft's check for a page: its outcome, or its progress."""
    context, console = context_of(request), console_of(request)
    if missing(draft, await context.looked(draft)) is not None:
        return {"found": None, "progress": None, "duration": ""}
    found = await context.found(draft)
    if isinstance(found, RunningTask):
        try:
            async with asyncio.timeout(SOON_SECONDS):
                await found.ended.wait()
        except TimeoutError:
            return {"found": None, "progress": found, "duration": ""}
        found = await context.found(draft)
    if isinstance(found, RunningTask):
        return {"found": None, "progress": found, "duration": ""}
    rate = float(draft.controls.get("rate", console.settings.rate or 0.0)) if draft.controls.get("rate") != "unlimited" else 0.0
    return {
        "found": found,
        "progress": None,
        "concerns": [concern for concern in found.concerns if concern.kind != LintKind.LINK],
        "links": next((concern for concern in found.concerns if concern.kind == LintKind.LINK), None),
        "duration": words(max(1.0, found.sendable / rate)) if rate else "",
        "rate": f"{rate:g}",
    }


@allow(Role.APPROVER)
async def show_approvals(request: web.Request) -> web.StreamResponse:
    context, person = context_of(request), person_of(request)
    waiting = [draft for draft in await asyncio.to_thread(context.store.unsent) if draft.stage is Stage.WAITING]
    mine = {draft.id for draft in waiting if is_for(person, draft)}
    return console_of(request).pages.respond("drafts/approvals.html", request, waiting=waiting, mine=mine)


@allow(Role.APPROVER)
async def count_approvals(request: web.Request) -> web.StreamResponse:
    """For the navigation of every page, which loads it separately, so that no page waits for it."""
    person = person_of(request)
    number = sum(is_for(person, draft) for draft in await asyncio.to_thread(context_of(request).store.unsent))
    return console_of(request).pages.respond("drafts/count.html", request, count=number)


def is_for(person: Person, draft: Draft) -> bool:
    """Whether this person may decide about a draft."""
    try:
        check_second(person, draft)
    except UsageError:
        return False
    return True


ALLOWED_PER_SECOND = 10.0
"""PassEntry's rate limit."""

START_SECONDS = 10.0
"""How long the page waits for the campaign to appear in the ledger; after that it checks now and then."""


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    if draft.stage is Stage.SENT:
        raise web.HTTPSeeOther(campaign_page(draft.name))
    if draft.stage is Stage.SENDING:
        wizard.sender_of(request).watch(draft)
    return await _page(request, draft)


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    person = person_of(request)
    if draft.stage in {Stage.EDITING, Stage.WAITING}:
        values = await _values(request, draft)
        if sentence := _unsure(request, values, (await wizard.form_of(request)).get("number", "")):
            return await _page(request, draft, status=422, problem=sentence)
        try:
            await wizard.sender_of(request).start(draft.id, person, _not_waiting)
        except UsageError as error:
            return await _page(request, draft, status=422, problem=ErrorText.of(error))
    return await _under_way(request, draft)


@allow(Role.SENDER)
async def ask(request: web.Request) -> web.StreamResponse:
    """Ask a second person for approval."""
    draft = await draft_of(request)
    values = await _values(request, draft)
    if not values["ready"]:
        raise web.HTTPSeeOther(wizard.address(draft, Step.SEND))
    if sentence := await asyncio.to_thread(wizard.sender_of(request).name_taken, draft):
        return await _page(request, draft, status=422, problem=sentence)
    return await _decide(request, draft, "drafts.action.ask", asking(person_of(request), now=time.time()))


@allow(Role.SENDER)
async def take_back(request: web.Request) -> web.StreamResponse:
    return await _decide(request, await draft_of(request), "drafts.action.take_back", taking_back)


@allow(Role.APPROVER)
async def send_back(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    note = (await wizard.form_of(request)).get("note", "")
    return await _decide(request, draft, "drafts.action.send_back", returning(person_of(request), note, now=time.time()))


@allow(Role.APPROVER)
async def approve(request: web.Request) -> web.StreamResponse:
    """Approve the content that the person has seen, and send it, in one step, so that no change fits in between."""
    draft = await draft_of(request)
    person, form = person_of(request), await wizard.form_of(request)
    if draft.stage is Stage.WAITING:
        values = await _values(request, draft)
        if sentence := _unsure(request, values, form.get("number", "")):
            return await _page(request, draft, status=422, problem=sentence)
    try:
        # Recorded first: an entry for an action that then fails is better than an action without an entry.
        if draft.stage is Stage.WAITING:
            check_second(person, draft)
            await audit_log.record(
                context_of(request).console.store, person.name, console_of(request).pages.text("drafts.action.approve"), draft.name
            )
        await wizard.sender_of(request).start(draft.id, person, approving(person, form.get("content", ""), now=time.time()))
    except UsageError as error:
        return await _page(request, draft, status=422, problem=ErrorText.of(error))
    return await _under_way(request, draft)


def _not_waiting(draft: Draft) -> Draft:
    if draft.stage is Stage.WAITING:
        raise UsageError("This waits for a second person, who sends it by approving.", code="waiting_for_approval")
    return draft


async def _decide(request: web.Request, draft: Draft, action: str, what: Any) -> web.StreamResponse:
    context = context_of(request)
    try:
        changed = await wizard.apply(context, draft, what)
    except UsageError as error:
        return await _page(request, draft, status=422, problem=ErrorText.of(error))
    if changed.stage is not draft.stage:
        await audit_log.record(context.console.store, person_of(request).name, context.console.pages.text(action), draft.name)
    raise web.HTTPSeeOther(wizard.address(draft, Step.SEND))


async def _under_way(request: web.Request, draft: Draft) -> web.StreamResponse:
    settled = await wizard.sender_of(request).settled(draft.id, seconds=START_SECONDS)
    if settled is not None and settled.stage is Stage.SENT:
        raise web.HTTPSeeOther(campaign_page(settled.name))
    raise web.HTTPSeeOther(wizard.address(draft, Step.SEND))


def _unsure(request: web.Request, values: dict[str, Any], number: str) -> str:
    """Why it is not sent yet: there is no valid check, or the number of recipients was not typed correctly."""
    if not values["ready"]:
        return console_of(request).pages.text("drafts.send.not_ready")
    if not values["type_number"] or is_number(number, values["messages"]):
        return ""
    return console_of(request).pages.text("drafts.send.wrong_number", count=f"{values['messages']:,}")


async def _page(request: web.Request, draft: Draft, *, status: int = 200, problem: str = "") -> web.Response:
    fresh = await asyncio.to_thread(context_of(request).store.find, draft.id)
    draft = fresh if fresh is not None else draft
    return await wizard.show(
        request, Step.SEND, draft, status=status, **(await _values(request, draft) | {"problem": problem or draft.problem})
    )


async def _values(request: web.Request, draft: Draft) -> dict[str, Any]:
    console, person = console_of(request), person_of(request)
    values = await checked(request, draft)
    found = values["found"]
    if not isinstance(found, ListCheck) or found.error or not found.sendable:
        return values | {"ready": False, "messages": 0, "type_number": False}
    looked = await context_of(request).looked(draft)
    plan = _plan(console, draft, found, own_zones=bool(getattr(looked, "own_zones", False)))
    taken = await asyncio.to_thread(wizard.sender_of(request).name_taken, draft) if draft.stage is Stage.EDITING else ""
    before = await asyncio.to_thread(wizard.sender_of(request).sent_before, found)
    entries = await audit_log.entries(console.store, draft.name, limit=20) if draft.name else []
    return values | {
        "ready": True,
        "plan": plan_in_words(plan, now=utc_now()),
        "messages": plan.messages,
        "type_number": plan.messages > NUMBER_FROM,
        "needs_approval": needs_approval(draft, found.sendable, console.rules.approval_over),
        "approval_over": console.rules.approval_over,
        "may_decide": is_for(person, draft),
        "name_taken": taken,
        "sent_before": before,
        "entries": entries,
        "tested": draft.test_arrived,
        "too_fast": not plan.by_batches and (plan.rate_per_second is None or plan.rate_per_second > ALLOWED_PER_SECOND),
    }


def _plan(console: Console, draft: Draft, found: ListCheck, *, own_zones: bool) -> Plan:
    settings = console.settings.model_copy(update=given_of(draft.controls))
    return Plan(
        list_name=draft.list.name if draft.list is not None else "",
        messages=min(found.sendable, settings.limit or found.sendable, settings.sample or found.sendable),
        left=found.sendable,
        rate_per_second=settings.rate,
        schedule=schedule_of(settings, {}, now=utc_now()),
        zones=None if own_zones else (),
        left_out=found.problem_rows,
        by_batches=settings.via is Via.BATCH,
    )
