"""One campaign: where it stands, live; what became of its rows, and what to do about them; and how it came to be."""

import asyncio
import time
from typing import Any, Final

from aiohttp import web

from campaign.app.keeping import Run, history
from campaign.console.access import Role, allow, may_steer
from campaign.console.campaigns.charts import FRESH_SECONDS
from campaign.console.campaigns.hub import Frame
from campaign.console.campaigns.live import check_is_stream, stream
from campaign.console.campaigns.outcomes import Outcome, outcome
from campaign.console.campaigns.rights import asked_about
from campaign.console.campaigns.shown import Shown
from campaign.console.campaigns.watching import watching_of
from campaign.console.console import console_of
from campaign.console.door.guard import DOOR, still_in
from campaign.console.launch import launches
from campaign.console.trail import deeds, owner_of
from campaign.reporter.reasons import advice, ended_in_words

AT_REST_SECONDS: Final = 2.0
SHOWN_LAUNCHES: Final = 3
LATELY_SECONDS: Final = 86_400.0
"""How long it is told of a command how it has ended."""
TABLE_ROWS: Final = 12
DEEDS: Final = 50


@allow(Role.VIEWER)
async def one_campaign(request: web.Request) -> web.StreamResponse:
    asked = await asked_about(request)
    console, watching = console_of(request), watching_of(request)
    values = await _parts(request, asked.name)
    told = await watching.looking.run(lambda settings: history(asked.name, settings))
    drawn = await watching.charts.soon(asked.shown.view.record, resting=not asked.shown.at_work)
    return console.pages.respond(
        "campaigns/one.html",
        request,
        **values,
        whole=asked.whole,
        owner=asked.owner,
        history=told,
        deeds=await deeds(console.store, asked.name, limit=DEEDS),
        table=drawn.timeline.coarser(TABLE_ROWS) if drawn is not None and drawn.timeline.total else None,
    )


@allow(Role.VIEWER)
async def live(request: web.Request) -> web.StreamResponse:
    # That there is none is told before a stream begins.
    asked = await asked_about(request)
    check_is_stream(request, asked.shown.page)
    name = asked.name
    pages = console_of(request).pages

    async def look() -> Frame:
        values = await _parts(request, name)
        shown: Shown = values["shown"]
        return Frame(
            whole=pages.part("campaigns/one_part.html", **values, whole=True),
            counts=pages.part("campaigns/one_part.html", **values, whole=False),
            over=not values["live"],
            stands=values["stands"],
            rest_seconds=1.0 if shown.at_work or values["working"] else AT_REST_SECONDS,
        )

    async def reads() -> bool | None:
        person = await request.app[DOOR].person(request) if await still_in(request) else None
        return None if person is None else may_steer(person, await owner_of(console_of(request).store, name))

    return await stream(request, f"campaign {name}", look, reads)


async def _parts(request: web.Request, name: str) -> dict[str, Any]:
    """What the live part of the page shows; `live` is that it may change by itself."""
    console, watching = console_of(request), watching_of(request)
    known = await launches(console, name)
    shown = Shown(await watching.looking.found(name))
    outcomes = await asyncio.to_thread(_outcomes, known)
    working = [found for found in outcomes if found.running]
    return {
        "shown": shown,
        "working": working if not shown.at_work else [],
        "stands": f"{shown.state} {len(working)}",
        "failures": [found for found in outcomes[:1] if found.failed],
        "notes": [found for found in outcomes[:1] if not found.running and not found.failed and found.sentences],
        "live": bool(working) or not shown.ended,
        "advice": advice,
        "chart": int(time.time() / FRESH_SECONDS) if shown.at_work else shown.done,
    }


def ended(run: Run) -> str:
    """How a run has ended, as a sentence; empty of one at work, and of one that came to the campaign's end."""
    if run.runner.alive or not run.runner.ended:
        return ""
    return ended_in_words("" if run.runner.ended == "lost" else run.runner.ended)


def _outcomes(known: list[Any]) -> list[Outcome]:
    since = time.time() - LATELY_SECONDS
    return [outcome(launch) for launch in known[:SHOWN_LAUNCHES] if launch.at > since]


def routes() -> list[web.RouteDef]:
    """A campaign's page."""
    return [web.get("/campaigns/{name}", one_campaign), web.get("/campaigns/{name}/live", live)]
