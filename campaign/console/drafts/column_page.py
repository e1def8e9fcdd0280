"""The second step: which column holds the passes."""

from typing import Any

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.drafts import shared
from campaign.console.drafts.findings import Looked
from campaign.console.drafts.room import draft_of, room_of
from campaign.console.drafts.steps import Step
from campaign.console.pages import ErrorText
from campaign.domain.errors import UsageError
from campaign.loader.columns import check_pass_id

ROWS_SHOWN = 8


@allow(Role.SENDER)
async def show(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await room_of(request).looked(draft)
    return await shared.show(request, Step.COLUMN, draft, **_values(looked, draft.column))


@allow(Role.SENDER)
async def choose(request: web.Request) -> web.StreamResponse:
    draft = await draft_of(request)
    looked = await shared.looked_at(request, draft, Step.COLUMN)
    column = (await shared.form_of(request)).get("column", "")
    if column not in looked.columns:
        return await shared.show(request, Step.COLUMN, draft, status=422, **(_values(looked, "") | {"unchosen": True}))
    try:
        await shared.change(request, draft, column=column)
    except UsageError as error:
        return await shared.show(request, Step.COLUMN, draft, status=422, **(_values(looked, column) | {"problem": ErrorText.of(error)}))
    raise web.HTTPSeeOther(shared.address(draft, Step.MESSAGE))


def _values(looked: object, column: str) -> dict[str, Any]:
    if not isinstance(looked, Looked) or looked.error:
        return {}
    chosen = column or looked.suggested
    places = {name: place for place, name in enumerate(looked.columns)}
    first = looked.samples[: looked.first]
    # How many of the first rows have something there that could be a pass.
    fits = {name: sum(check_pass_id(sample.cells[place])[1] is None for sample in first) for name, place in places.items()}
    return {"chosen": chosen, "rows": first[:ROWS_SHOWN], "fits": fits, "looked_at": len(first), "unchosen": False, "problem": ""}
