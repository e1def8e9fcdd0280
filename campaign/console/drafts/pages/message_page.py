"""The third step: the message, and its preview for one row of the list, on a lock screen."""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.auth.authorization import is_page
from campaign.console.console import Console, console_of
from campaign.console.drafts import wizard
from campaign.console.drafts.context import context_of, draft_of
from campaign.console.drafts.draft import Draft, MessageSource
from campaign.console.drafts.inspection import ListPreview, in_the_forms_words
from campaign.console.drafts.wizard import Step
from campaign.console.pages import ErrorText
from campaign.domain.errors import CampaignError, InputError, TemplateError, UsageError
from campaign.domain.text.lines import length_as_shown
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.result import Rendered
from campaign.loader.messages.variables import variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A merge field: `written` is the text that inserts the column's value into a message."""

    column: str
    written: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMistake:
    """A mistake in a message that concerns all rows; `line` and its `excerpt` say where, if known."""

    sentence: str
    line: int = 0
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One row's message. `at` is the index of the sample; `shown` is the part that a lock screen shows, `rest` the part that it cuts.

    `length` is in characters as people count them. `refusal` says why this row has no message.
    """

    at: int
    place: str
    samples: int
    shown: str = ""
    rest: str = ""
    length: int = 0
    refusal: str = ""
    mistake: MessageMistake | None = None


def chips(looked: ListPreview, *, without: str = "") -> tuple[Chip, ...]:
    """The merge fields of the list's columns, except the column of the passes (`without`)."""
    names: dict[int, str] = {}
    for name, place in variables(looked.columns).items():
        names.setdefault(place, name)
    return tuple(
        Chip(column=column, written=f"{{{{ {names[place]} }}}}") for place, column in enumerate(looked.columns) if column != without
    )


def compiled(looked: ListPreview, words: MessageSource, message: str, *, max_length: int) -> Messages | MessageMistake:
    """The compiled message, or the mistake in it."""
    text = message if words is MessageSource.WRITTEN else None
    try:
        return plan_messages(looked.columns, message=text, template=None, templates=None, max_length=max_length)
    except CampaignError as error:
        return mistake_of(error, message)


def mistake_of(error: CampaignError, message: str) -> MessageMistake:
    """The mistake in a message, with its place if the error has one."""
    if not isinstance(error, TemplateError):
        return MessageMistake(sentence=in_the_forms_words(error.problem if isinstance(error, InputError) else str(error)))
    lines = message.splitlines()
    excerpt = lines[error.template_line - 1][:200] if 0 < error.template_line <= len(lines) else ""
    return MessageMistake(sentence=in_the_forms_words(error.sentence), line=error.template_line, excerpt=excerpt)


def preview(looked: ListPreview, messages: Messages, message: str, *, at: int, lock_screen: int) -> Preview:
    """The message of one sample row."""
    at = min(max(at, 0), len(looked.samples) - 1)
    sample = looked.samples[at]
    seen = Preview(at=at, place=sample.place, samples=len(looked.samples))
    try:
        rendered = messages.render(sample.cells)
    except CampaignError as error:
        return replace(seen, mistake=mistake_of(error, message))
    if rendered.reason is not None:
        return replace(seen, refusal=in_the_forms_words(rendered.error))
    shown, rest = cut(rendered.text, lock_screen)
    return replace(seen, shown=shown, rest=rest, length=length_as_shown(rendered.text))


def longest(looked: ListPreview, messages: Messages) -> int:
    """The index of the sample with the longest message."""

    def length(at: int) -> int:
        try:
            rendered: Rendered = messages.render(looked.samples[at].cells)
        except CampaignError:
            return -1
        return length_as_shown(rendered.text)

    return max(range(len(looked.samples)), key=length)


def cut(text: str, characters: int) -> tuple[str, str]:
    """The first `characters` of a text, as people count them, and the rest."""
    if len(text) <= characters:
        return text, ""
    end = bisect_right(range(len(text) + 1), characters, key=lambda length: length_as_shown(text[:length])) - 1
    return text[:end], text[end:]


MOST_CHARACTERS = 40_000


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await context_of(request).looked(draft)
    if not isinstance(looked, ListPreview) or looked.error:
        return await wizard.show(request, Step.MESSAGE, draft)
    return await wizard.show(request, Step.MESSAGE, draft, **await _values(request, draft, looked, {}))


@allow(Role.SENDER)
async def look(request: web.Request) -> web.StreamResponse:
    """Preview a row's message from the form, without saving it."""
    draft = await draft_of(request)
    looked = await wizard.looked_at(request, draft, Step.MESSAGE)
    values = await _values(request, draft, looked, await wizard.form_of(request))
    if is_page(request):
        return await wizard.show(request, Step.MESSAGE, draft, **values)
    return console_of(request).pages.respond("drafts/preview.html", request, draft=draft, looked=looked, **values)


@allow(Role.SENDER)
async def save(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await wizard.looked_at(request, draft, Step.MESSAGE)
    form = await wizard.form_of(request)
    words, message = _said(draft, form)
    values = await _values(request, draft, looked, form)
    try:
        changed = await wizard.change(request, draft, words=words, message=message, settled=values["mistake"] is None)
    except UsageError as error:
        return await wizard.show(request, Step.MESSAGE, draft, status=422, **(values | {"problem": ErrorText.of(error)}))
    if values["mistake"] is not None:
        return await wizard.show(request, Step.MESSAGE, changed, status=422, **values)
    raise web.HTTPSeeOther(wizard.address(draft, Step.CHECK))


async def _values(request: web.Request, draft: Draft, looked: ListPreview, form: Mapping[str, str]) -> dict[str, Any]:
    console = console_of(request)
    words, message = _said(draft, form)
    lock_screen = lock_screen_of(console, draft)
    seen: Preview | None = None
    mistake: MessageMistake | None = None
    if words is MessageSource.COLUMN or message.strip():
        messages = await asyncio.to_thread(compiled, looked, words, message, max_length=console.settings.max_length)
        if isinstance(messages, MessageMistake):
            mistake = messages
        else:
            seen = await asyncio.to_thread(_seen, looked, messages, message, form, lock_screen)
            mistake = seen.mistake
    elif form and "go" not in form and is_page(request):
        mistake = MessageMistake(sentence=console.pages.text("drafts.message.empty"))
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


def _seen(looked: ListPreview, messages: Messages, message: str, form: Mapping[str, str], lock_screen: int) -> Preview:
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
    """A merge field with a default for empty values, as a person would write it."""
    written = fields[0].written if fields else "{{ first_name }}"
    return written.replace(" }}", ' | default("there") }}')


def lock_screen_of(console: Console, draft: Draft) -> int:
    """How many characters a lock screen is assumed to show."""
    return int(draft.controls.get("lock_screen", console.settings.lock_screen))


def _said(draft: Draft, form: Mapping[str, str]) -> tuple[MessageSource, str]:
    """The source and text in the form, or those of the draft if the form has none."""
    words = MessageSource(form["words"]) if form.get("words") in set(MessageSource) else draft.words
    message = form["message"].replace("\r\n", "\n").replace("\r", "\n")[:MOST_CHARACTERS] if "message" in form else draft.message
    return words, message
