"""The sixth step: the message of one row to one's own pass."""

import time
from dataclasses import replace
from typing import Any

from aiohttp import web

from campaign.console.access import Role, allow, person_of
from campaign.console.console import console_of
from campaign.console.drafts import shared
from campaign.console.drafts.draft import Draft, Mark, Stage
from campaign.console.drafts.room import draft_of, room_of
from campaign.console.drafts.steps import Step
from campaign.console.drafts.trying import Tried, try_out
from campaign.domain.errors import CampaignError
from campaign.domain.model import Status
from campaign.loader.columns import check_pass_id


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    return await shared.show(request, Step.TEST, draft, **_values(draft))


@allow(Role.SENDER)
async def send(request: web.Request) -> web.StreamResponse:
    """Send it, and show what became of it. Sent again by a reload it is another test, which is what is asked for then."""
    draft = await draft_of(request)
    await shared.looked_at(request, draft, Step.TEST)
    form = await shared.form_of(request)
    row = shared.whole(given_row) if (given_row := form.get("row", "").strip()) else None
    to, wrong, sentence = check_pass_id(form.get("to", "").strip())
    text = console_of(request).pages.text
    problem = ""
    if draft.stage not in {Stage.EDITING, Stage.WAITING}:
        problem = text("drafts.test.over")
    elif wrong is not None:
        problem = sentence if to else text("drafts.test.no_pass")
    elif given_row and row is None:
        problem = text("drafts.test.no_row")
    elif draft.id in room_of(request).testing:
        problem = text("drafts.test.under_way")
    if problem:
        return await shared.show(
            request, Step.TEST, draft, status=422, **(_values(draft) | {"to": to, "row": given_row, "problem": problem})
        )
    person = person_of(request)
    room_of(request).testing.add(draft.id)
    try:
        tried = await try_out(room_of(request), draft, person, to=to, row=row)
    except CampaignError as error:
        tried = Tried(status=None, sentence=str(error))
    finally:
        room_of(request).testing.discard(draft.id)
    mark = Mark(by=person.name, at=time.time(), content=draft.checkable, note=tried.status.value if tried.status is not None else "")
    changed = await shared.apply(room_of(request), draft, lambda found: _noted(found, mark, to))
    return await shared.show(request, Step.TEST, changed, **(_values(changed) | {"row": given_row, "tried": tried, "to": to}))


def _noted(draft: Draft, mark: Mark, to: str) -> Draft:
    """Kept with the draft; it is no change of what is sent."""
    return replace(draft, tested=mark, own_pass=to)


def _values(draft: Draft) -> dict[str, Any]:
    return {
        "to": draft.own_pass,
        "row": "",
        "problem": "",
        "tried": None,
        "Status": Status,
        "was_good": draft.test_arrived,
    }
