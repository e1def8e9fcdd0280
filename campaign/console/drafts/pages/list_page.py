"""The first two steps: upload and preview a list, and choose the column of the passes. Also the list of a person's drafts."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from campaign.console import audit_log
from campaign.console.access import Role, allow, person_of
from campaign.console.auth.authorization import check_still_allowed, is_page
from campaign.console.console import console_of
from campaign.console.drafts import wizard
from campaign.console.drafts.context import context_of, draft_of, may_see
from campaign.console.drafts.draft import Draft, name_from
from campaign.console.drafts.inspection import ListPreview
from campaign.console.drafts.uploads import UPLOAD_LIMITS, Received, TooLargeError, check_early, files_of, receive
from campaign.console.drafts.wizard import Step
from campaign.console.pages import ErrorText
from campaign.domain.errors import CampaignError, DiskFullError, UsageError
from campaign.domain.lists.pass_ids import check_pass_id

ROWS_SHOWN = 8


@allow(Role.SENDER)
async def show_columns(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await context_of(request).looked(draft)
    return await wizard.show(request, Step.COLUMN, draft, **_column_values(looked, draft.column))


@allow(Role.SENDER)
async def choose_column(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await wizard.looked_at(request, draft, Step.COLUMN)
    column = (await wizard.form_of(request)).get("column", "")
    if column not in looked.columns:
        return await wizard.show(request, Step.COLUMN, draft, status=422, **(_column_values(looked, "") | {"unchosen": True}))
    try:
        await wizard.change(request, draft, column=column)
    except UsageError as error:
        return await wizard.show(
            request, Step.COLUMN, draft, status=422, **(_column_values(looked, column) | {"problem": ErrorText.of(error)})
        )
    raise web.HTTPSeeOther(wizard.address(draft, Step.MESSAGE))


def _column_values(looked: object, column: str) -> dict[str, Any]:
    if not isinstance(looked, ListPreview) or looked.error:
        return {}
    chosen = column or looked.suggested
    places = {name: place for place, name in enumerate(looked.columns)}
    first = looked.samples[: looked.first]
    # In how many of the first rows the value could be a pass id.
    fits = {name: sum(check_pass_id(sample.cells[place])[1] is None for sample in first) for name, place in places.items()}
    return {"chosen": chosen, "rows": first[:ROWS_SHOWN], "fits": fits, "looked_at": len(first), "unchosen": False, "problem": ""}


LIST_FOLDER: Final = "list"
"""A folder in the draft's folder, so that no list can have the name of another file of the draft."""

FILE_CHARACTERS: Final = 50
MOST_HEADER_ROW: Final = 1_048_576
LOOK_SECONDS = 2.0
"""A list that is read within this time needs no page with the progress."""


@allow(Role.SENDER)
async def new(request: web.Request) -> web.StreamResponse:
    return await _start_page(request)


@allow(Role.SENDER, streamed=True)
async def begin(request: web.Request) -> web.StreamResponse:
    context, person = context_of(request), person_of(request)
    draft: Draft | None = None
    kept = False
    try:
        with request.app[UPLOAD_LIMITS].turn(person.name):
            async for part in files_of(request):
                draft = await asyncio.to_thread(context.store.begin, person.name)
                received = await receive(part, context.folder(draft), most_bytes=context.console.rules.most_upload_bytes)
                draft = await _put(request, draft, received)
                kept = True
                break
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        return problem.part(request) or await _start_page(request, status=problem.status, problem=problem.sentence)
    finally:
        if draft is not None and not kept:
            await asyncio.shield(asyncio.to_thread(context.store.remove, draft.id))
    if draft is None:
        missing = console_of(request).pages.text("drafts.list.choose_first")
        return await _start_page(request, status=422, problem=missing)
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await wizard.show(request, Step.LIST, draft, **_limits(request))


@allow(Role.SENDER, streamed=True)
async def replace_list(request: web.Request) -> web.StreamResponse:
    check_early(request)
    draft = await draft_of(request)
    context = context_of(request)
    try:
        wizard.check_editable(draft)
        with request.app[UPLOAD_LIMITS].turn(person_of(request).name):
            async for part in files_of(request):
                received = await receive(part, context.folder(draft), most_bytes=context.console.rules.most_upload_bytes)
                draft = await _put(request, draft, received)
                break
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        page = problem.part(request)
        return page or await wizard.show(request, Step.LIST, draft, status=problem.status, problem=problem.sentence, **_limits(request))
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def choose_header(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    text = (await wizard.form_of(request)).get("header_row", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 0 < int(text) <= MOST_HEADER_ROW):
        problem = console_of(request).pages.text("drafts.list.header_bad")
        return await wizard.show(request, Step.LIST, draft, status=422, header_problem=problem, **_limits(request))
    try:
        draft = await wizard.change(request, draft, header_row=int(text), column="", settled=False, tested=None)
    except UsageError as error:
        return await wizard.show(request, Step.LIST, draft, status=422, header_problem=str(error), **_limits(request))
    return await _look_at(request, draft)


@allow(Role.SENDER)
async def remove(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    context = context_of(request)
    context.jobs.give_up(draft.id)
    await asyncio.to_thread(context.store.remove, draft.id)
    await audit_log.record(
        context.console.store, person_of(request).name, console_of(request).pages.text("drafts.action.remove"), draft.name
    )
    raise web.HTTPSeeOther("/new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an upload was refused."""

    status: int
    sentence: str

    def part(self, request: web.Request) -> web.Response | None:
        """The answer for a script; None if a person should see a page."""
        return None if is_page(request) else web.Response(text=self.sentence, status=self.status)


def problem_of(request: web.Request, error: CampaignError | TooLargeError) -> Problem:
    if isinstance(error, TooLargeError):
        most = console_of(request).rules.most_upload_bytes
        return Problem(status=413, sentence=console_of(request).pages.text("drafts.list.too_large", most=size_in_words(most)))
    return Problem(status=507 if isinstance(error, DiskFullError) else 422, sentence=ErrorText.of(error))


def size_in_words(size_bytes: int) -> str:
    """`1 GB`, `3.4 MB`, `12 kB`."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size_bytes} bytes"


async def _put(request: web.Request, draft: Draft, received: Received) -> Draft:
    """Make a received file the list of the draft."""
    context, person = context_of(request), person_of(request)

    def change(found: Draft) -> Draft:
        changed = found.changed(person.name, time.time(), header_row=0, column="", settled=False, tested=None)
        before = found.list
        own_name = name_from(received.name)
        # The ledger and downloads name the list by its file.
        given = received.placed(f"{LIST_FOLDER}/{own_name[:FILE_CHARACTERS].strip().lstrip('-@.') or 'list'}")
        if before is not None and before.file != given.file:
            (context.folder(found) / before.file).unlink(missing_ok=True)
        called_so = before is not None and found.name == name_from(before.name)
        return changed.changed(person.name, time.time(), list=given, name=own_name if called_so else found.name or own_name)

    try:
        await check_still_allowed(request)
        context.jobs.give_up(draft.id)
        changed = await wizard.apply(context, draft, change)
    finally:
        await asyncio.to_thread(received.discard)
    await audit_log.record(context.console.store, person.name, console_of(request).pages.text("drafts.action.upload"), changed.name)
    return changed


async def _look_at(request: web.Request, draft: Draft) -> web.StreamResponse:
    context = context_of(request)
    looked = await context.looked(draft)
    if looked is not None and not isinstance(looked, ListPreview):
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await looked.ended.wait()
        except TimeoutError:
            pass
        looked = await context.looked(draft)
    if isinstance(looked, ListPreview) and not looked.error:
        raise web.HTTPSeeOther(wizard.address(draft, Step.COLUMN))
    raise web.HTTPSeeOther(wizard.address(draft, Step.LIST))


async def _start_page(request: web.Request, *, status: int = 200, problem: str = "") -> web.Response:
    context, person = context_of(request), person_of(request)
    unsent = await asyncio.to_thread(context.store.unsent)
    values = {
        "drafts": [draft for draft in unsent if draft.owner == person.name],
        "others": [draft for draft in unsent if draft.owner != person.name and may_see(person, draft)],
        "problem": problem,
        **_limits(request),
    }
    return console_of(request).pages.respond("drafts/new.html", request, status=status, **values)


def _limits(request: web.Request) -> dict[str, Any]:
    most = console_of(request).rules.most_upload_bytes
    return {"most_bytes": most, "most": size_in_words(most)}
