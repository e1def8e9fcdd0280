"""The third step: the message, and how it looks."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.console import Console, console_of
from campaign.console.door.guard import is_page
from campaign.console.drafts import shared
from campaign.console.drafts.draft import Draft, Words
from campaign.console.drafts.findings import Looked
from campaign.console.drafts.preview import Chip, Mistake, Preview, chips, compiled, longest, preview
from campaign.console.drafts.room import draft_of, room_of
from campaign.console.drafts.steps import Step
from campaign.console.pages import ErrorText
from campaign.domain.errors import UsageError
from campaign.loader.messages import Messages

MOST_CHARACTERS = 40_000


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await room_of(request).looked(draft)
    if not isinstance(looked, Looked) or looked.error:
        return await shared.show(request, Step.MESSAGE, draft)
    return await shared.show(request, Step.MESSAGE, draft, **await _values(request, draft, looked, {}))


@allow(Role.SENDER)
async def look(request: web.Request) -> web.StreamResponse:
    """A row's message as the form has it; nothing is kept."""
    draft = await draft_of(request)
    looked = await shared.looked_at(request, draft, Step.MESSAGE)
    values = await _values(request, draft, looked, await shared.form_of(request))
    if is_page(request):
        return await shared.show(request, Step.MESSAGE, draft, **values)
    return console_of(request).pages.respond("drafts/preview.html", request, draft=draft, looked=looked, **values)


@allow(Role.SENDER)
async def save(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await shared.looked_at(request, draft, Step.MESSAGE)
    form = await shared.form_of(request)
    words, message = _said(draft, form)
    values = await _values(request, draft, looked, form)
    try:
        changed = await shared.change(request, draft, words=words, message=message, settled=values["mistake"] is None)
    except UsageError as error:
        return await shared.show(request, Step.MESSAGE, draft, status=422, **(values | {"problem": ErrorText.of(error)}))
    if values["mistake"] is not None:
        return await shared.show(request, Step.MESSAGE, changed, status=422, **values)
    raise web.HTTPSeeOther(shared.address(draft, Step.CHECK))


async def _values(request: web.Request, draft: Draft, looked: Looked, form: Mapping[str, str]) -> dict[str, Any]:
    console = console_of(request)
    words, message = _said(draft, form)
    lock_screen = lock_screen_of(console, draft)
    seen: Preview | None = None
    mistake: Mistake | None = None
    if words is Words.COLUMN or message.strip():
        messages = await asyncio.to_thread(compiled, looked, words, message, max_length=console.settings.max_length)
        if isinstance(messages, Mistake):
            mistake = messages
        else:
            seen = await asyncio.to_thread(_seen, looked, messages, message, form, lock_screen)
            mistake = seen.mistake
    elif form and "go" not in form and is_page(request):
        mistake = Mistake(sentence=console.pages.text("drafts.message.empty"))
    return {
        "words": words,
        "message": message,
        "chips": chips(looked, without=draft.column),
        "example": default_of(chips(looked, without=draft.column)),
        "mistake": mistake,
        "seen": seen,
        "lock_screen": lock_screen,
        "max_length": console.settings.max_length,
        "scale": max(console.settings.max_length, seen.length if seen is not None else 0, lock_screen),
        "problem": "",
    }


def _seen(looked: Looked, messages: Messages, message: str, form: Mapping[str, str], lock_screen: int) -> Preview:
    at = int(text) if (text := form.get("at", "0")).isdecimal() and len(text) < 6 else 0
    match form.get("go", ""):
        case "next":
            at = (at + 1) % len(looked.samples)
        case "previous":
            at = (at - 1) % len(looked.samples)
        case "long":
            at = longest(looked, messages)
        case _:
            pass
    return preview(looked, messages, message, at=at, lock_screen=lock_screen)


def default_of(fields: tuple[Chip, ...]) -> str:
    """A merge field with what to write where it is empty, as it is written by hand."""
    written = fields[0].written if fields else "{{ first_name }}"
    return written.replace(" }}", ' | default("there") }}')


def lock_screen_of(console: Console, draft: Draft) -> int:
    """How many characters a lock screen is taken to show."""
    return int(draft.controls.get("lock_screen", console.settings.lock_screen))


def _said(draft: Draft, form: Mapping[str, str]) -> tuple[Words, str]:
    """What the form says, or the draft where the form is not sent."""
    words = Words(form["words"]) if form.get("words") in set(Words) else draft.words
    message = form["message"].replace("\r\n", "\n").replace("\r", "\n")[:MOST_CHARACTERS] if "message" in form else draft.message
    return words, message
