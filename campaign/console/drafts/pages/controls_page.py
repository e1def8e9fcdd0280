"""The fifth step: when to send, to whom, and how carefully; and the lists of excluded passes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from campaign.app.campaign_settings import home_zone, utc_now
from campaign.app.sending.batches import check_batch_settings
from campaign.console import audit_log
from campaign.console.access import Role, allow, person_of
from campaign.console.auth.authorization import check_still_allowed
from campaign.console.console import console_of
from campaign.console.drafts import wizard
from campaign.console.drafts.context import context_of, draft_of
from campaign.console.drafts.draft import CONTROLS, FLAGS, Draft, Upload, given_of, problem_with_name
from campaign.console.drafts.pages.list_page import problem_of, size_in_words
from campaign.console.drafts.uploads import UPLOAD_LIMITS, Received, TooLargeError, check_early, files_of, receive
from campaign.console.drafts.wizard import Step
from campaign.console.pages import ErrorText
from campaign.domain.batches import PLACEHOLDER
from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.schedule import known_zones, parse_moment, zone
from campaign.domain.text.lines import as_sentence, capitalized
from campaign.setting_types import Wizard
from campaign.settings import Settings, Via, problems_of

TEXTS: Final = tuple(name for names in CONTROLS.values() for name in names if name not in {"window", *FLAGS})
WINDOW: Final = ("opens", "closes")
_TYPES: Final[dict[str, Any]] = {name: Settings.model_fields[name].annotation for name in TEXTS}
CHOICES: Final = {name: tuple(kind) for name, kind in _TYPES.items() if isinstance(kind, type) and issubclass(kind, Enum)}
_KEYBOARDS: Final = {int: "numeric", int | None: "numeric", float | None: "decimal"}
_MOST: Final = 200


def fields_of(controls: Mapping[str, str]) -> dict[str, str]:
    """The form's fields for these settings."""
    opens, _, closes = controls.get("window", "").partition("-")
    return {name: controls.get(name, "") for name in (*TEXTS, *FLAGS)} | {"opens": opens, "closes": closes}


def controls_of(form: Mapping[str, str]) -> dict[str, str]:
    """The settings in a form, as text, without empty ones."""
    controls = {name: form[name].strip()[:_MOST] for name in TEXTS if form.get(name, "").strip()}
    opens, closes = (form.get(name, "").strip()[:_MOST] for name in WINDOW)
    if opens or closes:
        controls["window"] = f"{opens}-{closes}"
    return controls | {name: "true" for name in FLAGS if form.get(name)}


def problems_with(controls: Mapping[str, str], settings: Settings, *, now: datetime) -> dict[str, str]:
    """The problems with these settings: sentences, by field of the form."""
    found = problems_of(controls).items()
    problems = {"opens" if name == "window" else name: capitalized(as_sentence(str(problem))) for name, problem in found}
    problems = problems or _problem_with_batches(settings.model_copy(update=given_of(controls)))
    home = _home(controls, settings, problems)
    moments = {
        name: moment
        for name in ("start_at", "not_after")
        if controls.get(name) and (moment := _moment(name, controls[name], home, now, problems)) is not None
    }
    end = moments.get("not_after")
    if end is not None and end <= now:
        problems["not_after"] = "That is in the past: nothing would be sent. Write a later time."
    elif end is not None and "start_at" in moments and moments["start_at"] >= end:
        problems["not_after"] = "That is before the start: nothing would be sent. Write a later time."
    return problems


_NO_BATCHES: Final = {
    "--entity": "Batches need the ID of your entity at PassEntry. Ask the person who runs this console.",
    "--baseline": "A pass can't be read before each message of a batch. Leave this out, or send one by one.",
}


def _problem_with_batches(settings: Settings) -> dict[str, str]:
    try:
        check_batch_settings(settings)
    except UsageError as error:
        field = error.option.removeprefix("--") if error.option in _NO_BATCHES else "via"
        return {field: _NO_BATCHES.get(error.option, str(error))}
    return {}


def _home(controls: Mapping[str, str], settings: Settings, problems: dict[str, str]) -> ZoneInfo:
    if "time_zone" in controls:
        try:
            return zone(controls["time_zone"])
        except ValueError as error:
            problems["time_zone"] = capitalized(as_sentence(str(error)))
    try:
        return home_zone(settings)
    except UsageError:
        return ZoneInfo("UTC")


def _moment(name: str, text: str, home: ZoneInfo, now: datetime, problems: dict[str, str]) -> datetime | None:
    try:
        return parse_moment(text, in_zone=home, now=now)
    except (ValueError, OverflowError) as error:
        problems[name] = capitalized(as_sentence(str(error)))
        return None


MOST_EXCLUDES: Final = 10
LOOK_SECONDS: Final = 120.0


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await wizard.show(request, Step.CONTROLS, draft, **_values(request, draft))


@allow(Role.SENDER)
async def save(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    form = await wizard.form_of(request)
    # A browser sends the name of a file that was chosen but not added. Without the file, the passes on it would get the message.
    chosen = {"exclude": console_of(request).pages.text("drafts.controls.exclude_chosen")} if form.get("exclude") else {}
    problems = chosen or await _saved(request, draft, form)
    if problems:
        return await wizard.show(request, Step.CONTROLS, draft, status=422, **_values(request, draft, form=form, problems=problems))
    raise web.HTTPSeeOther(wizard.address(draft, Step.TEST))


@allow(Role.SENDER, streamed=True)
async def add_excludes(request: web.Request) -> web.StreamResponse:
    """Add lists of excluded passes. A list that can't be read is refused as a whole, or some passes on it would get the message.

    The rest of the form is saved, too, as the page is loaded again.
    """
    check_early(request)
    draft = await draft_of(request)
    form: dict[str, str] = {}
    try:
        wizard.check_editable(draft)
        count = 0
        with request.app[UPLOAD_LIMITS].turn(person_of(request).name):
            async for part in files_of(request, form):
                most = context_of(request).console.rules.most_upload_bytes
                received = await receive(part, context_of(request).folder(draft), most_bytes=most)
                await _add(request, draft, received)
                count += 1
        if not count:
            raise UsageError(console_of(request).pages.text("drafts.list.choose_first"), code="no_file")
    except (CampaignError, TooLargeError) as error:
        problem = problem_of(request, error)
        values = _values(request, draft, form=form, problems={"exclude": problem.sentence})
        return problem.part(request) or await wizard.show(request, Step.CONTROLS, draft, status=problem.status, **values)
    if form and (problems := await _saved(request, draft, form)):
        draft = await draft_of(request)
        return await wizard.show(request, Step.CONTROLS, draft, status=422, **_values(request, draft, form=form, problems=problems))
    raise web.HTTPSeeOther(f"{wizard.address(draft, Step.CONTROLS)}#exclude")


@allow(Role.SENDER)
async def remove_exclude(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    file = (await wizard.form_of(request)).get("file", "")
    left = tuple(upload for upload in draft.excludes if upload.file != file)
    await wizard.change(request, draft, excludes=left)
    if gone := [upload for upload in draft.excludes if upload.file == file]:
        await asyncio.to_thread((context_of(request).folder(draft) / gone[0].file).unlink, missing_ok=True)
    raise web.HTTPSeeOther(f"{wizard.address(draft, Step.CONTROLS)}#exclude")


async def _saved(request: web.Request, draft: Draft, form: Mapping[str, str]) -> dict[str, str]:
    """Save the form, unless it has problems; returns these as sentences, by field."""
    controls, name = controls_of(form), form.get("name", "").strip()
    problems = problems_with(controls, console_of(request).settings, now=utc_now())
    if PLACEHOLDER in draft.message and not problems and controls.get("via", console_of(request).settings.via) == Via.BATCH:
        problems["via"] = console_of(request).pages.text("drafts.controls.no_placeholder", placeholder=PLACEHOLDER)
    if why := problem_with_name(name) or await asyncio.to_thread(_name_taken, request, draft, name):
        problems["name"] = why
    if not problems:
        try:
            await wizard.change(request, draft, controls=controls, name=name)
        except UsageError as error:
            problems[""] = ErrorText.of(error)
    return problems


async def _add(request: web.Request, draft: Draft, received: Received) -> None:
    context, person = context_of(request), person_of(request)

    def change(found: Draft) -> Draft:
        if len(found.excludes) >= MOST_EXCLUDES:
            raise UsageError(f"There are {MOST_EXCLUDES} lists to exclude already. Merge several into one file.", code="too_many_files")
        taken = {upload.file.partition(".")[0] for upload in found.excludes}
        stem = next(name for number in range(1, MOST_EXCLUDES + 1) if (name := f"exclude-{number}") not in taken)
        found.changed(person.name, time.time())
        given: Upload = received.placed(stem)
        return found.changed(person.name, time.time(), excludes=(*found.excludes, given))

    try:
        await _check_readable(request, draft, received)
        await check_still_allowed(request)
        await wizard.apply(context, draft, change)
    finally:
        await asyncio.to_thread(received.discard)
    await audit_log.record(context.console.store, person.name, console_of(request).pages.text("drafts.action.exclude"), draft.name)


async def _check_readable(request: web.Request, draft: Draft, received: Received) -> None:
    job = context_of(request).look_through(draft, received.part, received.name)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await job.ended.wait()
    except TimeoutError:
        raise InputError("It takes too long to read. Split it into several.", file=received.name, code="too_slow_to_read") from None
    if job.broken or "error" not in job.answer:
        raise InputError("It could not be read. Save it as .csv and try again.", file=received.name, code="file_not_readable")
    if job.answer["error"]:
        raise InputError(job.answer["error"], code="exclusion_not_usable")


def _name_taken(request: web.Request, draft: Draft, name: str) -> str:
    return wizard.sender_of(request).name_taken(replace(draft, name=name))


def _values(
    request: web.Request, draft: Draft, *, form: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> dict[str, Any]:
    settings = console_of(request).settings
    home = str(home_zone(settings))
    values = fields_of(draft.controls) | {"name": draft.name}
    if form:
        values |= {name: form.get(name, "") for name in values}
    problems = problems or {}
    examples = {"rate": settings.as_text("rate").removesuffix(".0"), "time_zone": home, "halt": str(settings.halt) or "20%"}
    return {
        "values": values,
        "problems": problems,
        "controls": CONTROLS,
        "flags": FLAGS,
        "choices": CHOICES,
        "keyboards": {name: _KEYBOARDS.get(kind, "text") for name, kind in _TYPES.items()},
        "open": any(values[name] or name in problems for name in CONTROLS[Wizard.ADVANCED]),
        "zones": sorted(known_zones()),
        "home": home,
        "defaults": {name: settings.as_text(name) for name in TEXTS} | examples,
        "sizes": {upload.file: size_in_words(upload.size_bytes) for upload in draft.excludes},
        "most_bytes": console_of(request).rules.most_upload_bytes,
    }
