"""The wizard: its steps, which of them are open, and the common parts of their pages."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiohttp import web

from campaign.console.access import person_of
from campaign.console.console import console_of
from campaign.console.drafts.context import DraftContext, RunningTask, context_of
from campaign.console.drafts.draft import Draft, MessageSource, Stage
from campaign.console.drafts.inspection import ListCheck, ListPreview, kept_check
from campaign.console.drafts.sending import Sender


class Step(StrEnum):
    """The steps in order; a value is the last part of a page's address."""

    LIST = "list"
    COLUMN = "column"
    MESSAGE = "message"
    CHECK = "check"
    CONTROLS = "controls"
    TEST = "test"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """A step in the indicator. `locked` is the step that must be done first, None if this one is open; `done`: it is complete."""

    step: Step
    current: bool
    done: bool
    locked: Step | None


def missing(draft: Draft, looked: ListPreview | RunningTask | None) -> Step | None:
    """The first step that is not complete; None if a check has all that it needs."""
    if not isinstance(looked, ListPreview) or looked.error:
        return Step.LIST
    if draft.column not in looked.columns:
        return Step.COLUMN
    if not draft.settled or (draft.words is MessageSource.COLUMN and not looked.message_column):
        return Step.MESSAGE
    return None


def locked_by(step: Step, draft: Draft, looked: ListPreview | RunningTask | None) -> Step | None:
    """The step that must be done before this one; None if this one is open."""
    first = missing(draft, looked)
    order = list(Step)
    return first if first is not None and order.index(step) > order.index(first) else None


def step_states(
    current: Step, draft: Draft, looked: ListPreview | RunningTask | None, found: ListCheck | RunningTask | None
) -> tuple[StepState, ...]:
    """The steps in the indicator of a page."""
    first = missing(draft, looked)
    order = list(Step)
    checked = isinstance(found, ListCheck) and not found.error and found.sendable > 0
    right = {
        Step.CHECK: checked,
        Step.CONTROLS: bool(draft.controls or draft.excludes),
        Step.TEST: draft.test_arrived,
        Step.SEND: draft.stage in {Stage.SENDING, Stage.SENT},
    }
    return tuple(
        StepState(
            step=step,
            current=step is current,
            done=right[step] if step in right else first is None or order.index(step) < order.index(first),
            locked=locked_by(step, draft, looked),
        )
        for step in order
    )


SENDER: Final = web.AppKey("sender", Sender)


def sender_of(request: web.Request) -> Sender:
    return request.app[SENDER]


async def show(request: web.Request, step: Step, draft: Draft, *, status: int = 200, **values: Any) -> web.Response:
    """The page of a step, or a page that names the step that must be done first."""
    context = context_of(request)
    looked = await context.looked(draft)
    locked = locked_by(step, draft, looked)
    found = None if locked is not None else await asyncio.to_thread(kept_check, context.folder(draft), draft.checkable)
    shared = {
        "draft": draft,
        "step": step,
        "looked": looked,
        "looking": isinstance(looked, RunningTask),
        "steps": step_states(step, draft, looked, found),
        "editable": draft.stage is Stage.EDITING,
        "locked": locked,
    }
    template = "drafts/locked.html" if locked is not None else f"drafts/{step}.html"
    return console_of(request).pages.respond(template, request, status=status, **(shared | values))


async def looked_at(request: web.Request, draft: Draft, step: Step) -> ListPreview:
    """The list's preview, for an open step. Raises HTTPSeeOther to the page that says why if the step is locked."""
    looked = await context_of(request).looked(draft)
    if not isinstance(looked, ListPreview) or locked_by(step, draft, looked) is not None:
        raise web.HTTPSeeOther(address(draft, step))
    return looked


async def change(request: web.Request, draft: Draft, **changes: object) -> Draft:
    """Change a draft, as the person of the request. Raises UsageError if the draft can't be changed now."""
    context, name = context_of(request), person_of(request).name
    return await apply(context, draft, lambda found: found.changed(name, time.time(), **changes))


async def apply(context: DraftContext, draft: Draft, what: Callable[[Draft], Draft]) -> Draft:
    return await asyncio.to_thread(context.store.change, draft.id, what)


def check_editable(draft: Draft) -> None:
    """Check that a draft can be changed now; raises UsageError if not."""
    draft.changed("", 0.0)


def address(draft: Draft, step: Step) -> str:
    return f"/drafts/{draft.id}/{step}"


async def form_of(request: web.Request) -> Mapping[str, str]:
    """The texts of a form; of a repeated field the first."""
    return {name: value for name, value in reversed(list((await request.post()).items())) if isinstance(value, str)}


def whole(text: str) -> int | None:
    """A whole number of at least 1; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) > 0 else None
