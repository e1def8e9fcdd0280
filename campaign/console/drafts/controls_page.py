"""The fifth step: when, whom and how carefully; and the lists of passes to leave out."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from campaign.app.controls import home_zone, utc_now
from campaign.console import trail
from campaign.console.access import Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.door.guard import check_still
from campaign.console.drafts import shared
from campaign.console.drafts.controls import controls_of, fields_of, problem_with_name, problems_with
from campaign.console.drafts.draft import Draft, Upload
from campaign.console.drafts.list_page import problem_of, size_in_words
from campaign.console.drafts.room import draft_of, room_of
from campaign.console.drafts.steps import Step
from campaign.console.drafts.uploads import Received, TooLargeError, check_early, files_of, receive
from campaign.console.intake import INTAKE
from campaign.console.pages import ErrorText
from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.schedule import known_zones

MOST_EXCLUDES: Final = 10
LOOK_SECONDS: Final = 120.0


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await shared.show(request, Step.CONTROLS, draft, **_values(request, draft))


@allow(Role.SENDER)
async def save(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    form = await shared.form_of(request)
    # A browser tells the name of a file that was chosen and not added. To go on without it would tell those who are on it.
    chosen = {"exclude": console_of(request).pages.text("drafts.controls.exclude_chosen")} if form.get("exclude") else {}
    problems = chosen or await _saved(request, draft, form)
    if problems:
        return await shared.show(request, Step.CONTROLS, draft, status=422, **_values(request, draft, form=form, problems=problems))
    raise web.HTTPSeeOther(shared.address(draft, Step.TEST))


@allow(Role.SENDER, streamed=True)
async def add_excludes(request: web.Request) -> web.StreamResponse:
    """Take lists of passes that must not be sent to; one that can't be read is refused whole, or somebody on it would be told.

    What else the form says is saved with them, as the page is opened anew.
    """
    check_early(request)
    draft = await draft_of(request)
    form: dict[str, str] = {}
    try:
        shared.check_editable(draft)
        count = 0
        with request.app[INTAKE].turn(person_of(request).name):
            async for part in files_of(request, form):
                most = room_of(request).console.rules.most_upload_bytes
                received = await receive(part, room_of(request).folder(draft), most_bytes=most)
                await _add(request, draft, received)
                count += 1
        if not count:
            raise UsageError(console_of(request).pages.text("drafts.list.choose_first"), code="no_file")
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        values = _values(request, draft, form=form, problems={"exclude": problem.sentence})
        return problem.part(request) or await shared.show(request, Step.CONTROLS, draft, status=problem.status, **values)
    if form and (problems := await _saved(request, draft, form)):
        draft = await draft_of(request)
        return await shared.show(request, Step.CONTROLS, draft, status=422, **_values(request, draft, form=form, problems=problems))
    raise web.HTTPSeeOther(f"{shared.address(draft, Step.CONTROLS)}#exclude")


@allow(Role.SENDER)
async def remove_exclude(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    file = (await shared.form_of(request)).get("file", "")
    left = tuple(upload for upload in draft.excludes if upload.file != file)
    await shared.change(request, draft, excludes=left)
    if gone := [upload for upload in draft.excludes if upload.file == file]:
        await asyncio.to_thread((room_of(request).folder(draft) / gone[0].file).unlink, missing_ok=True)
    raise web.HTTPSeeOther(f"{shared.address(draft, Step.CONTROLS)}#exclude")


async def _saved(request: web.Request, draft: Draft, form: Mapping[str, str]) -> dict[str, str]:
    """Save what the form says, unless something of it can't be: sentences, by field."""
    controls, name = controls_of(form), form.get("name", "").strip()
    problems = problems_with(controls, console_of(request).settings, now=utc_now())
    if sentence := problem_with_name(name) or await asyncio.to_thread(_name_taken, request, draft, name):
        problems["name"] = sentence
    if not problems:
        try:
            await shared.change(request, draft, controls=controls, name=name)
        except UsageError as error:
            problems[""] = ErrorText.of(error)
    return problems


async def _add(request: web.Request, draft: Draft, received: Received) -> None:
    room, person = room_of(request), person_of(request)

    def change(found: Draft) -> Draft:
        if len(found.excludes) >= MOST_EXCLUDES:
            raise UsageError(f"There are {MOST_EXCLUDES} lists to leave out already. Put several into one file.", code="too_many_files")
        taken = {upload.file.partition(".")[0] for upload in found.excludes}
        stem = next(name for number in range(1, MOST_EXCLUDES + 1) if (name := f"exclude-{number}") not in taken)
        found.changed(person.name, time.time())
        given: Upload = received.placed(stem)
        return found.changed(person.name, time.time(), excludes=(*found.excludes, given))

    try:
        await _check_readable(request, draft, received)
        await check_still(request)
        await shared.apply(room, draft, change)
    finally:
        await asyncio.to_thread(received.discard)
    await trail.note(room.console.store, person.name, console_of(request).pages.text("drafts.deed.exclude"), draft.name)


async def _check_readable(request: web.Request, draft: Draft, received: Received) -> None:
    job = room_of(request).look_through(draft, received.part, received.name)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await job.ended.wait()
    except TimeoutError:
        raise InputError("It takes too long to look through. Split it into several.", file=received.name, code="too_slow_to_read") from None
    if job.broken or "error" not in job.answer:
        raise InputError("It could not be looked through. Save it as .csv and try again.", file=received.name, code="file_not_readable")
    if job.answer["error"]:
        raise InputError(job.answer["error"], code="exclusion_not_usable")


def _name_taken(request: web.Request, draft: Draft, name: str) -> str:
    return shared.sender_of(request).name_taken(replace(draft, name=name))


def _values(
    request: web.Request, draft: Draft, *, form: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> dict[str, Any]:
    settings = console_of(request).settings
    values = fields_of(draft.controls) | {"name": draft.name}
    if form:
        values |= {name: form.get(name, "") for name in values}
    return {
        "values": values,
        "problems": dict(problems or {}),
        "zones": sorted(known_zones()),
        "home": str(home_zone(settings)),
        "defaults": settings,
        "default_rate": "unlimited" if settings.rate is None else f"{settings.rate:g}",
        "sizes": {upload.file: size_in_words(upload.size_bytes) for upload in draft.excludes},
        "most_bytes": console_of(request).rules.most_upload_bytes,
    }
