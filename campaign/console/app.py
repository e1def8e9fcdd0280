"""The console's application, put together."""

import asyncio
from typing import Final

from aiohttp import web

from campaign.console import campaigns, static_files
from campaign.console.access import Door
from campaign.console.console import CONSOLE, Console
from campaign.console.door import deeds, entrance
from campaign.console.door.guard import DOOR, ENDING, guard
from campaign.console.door.headers import put_on
from campaign.console.door.mishaps import in_words
from campaign.console.door.place import PLACE, Place
from campaign.console.drafts import keeping
from campaign.console.drafts import routes as draft_routes
from campaign.console.intake import INTAKE, Intake

MOST_FORM_BYTES: Final = 1 << 20
"""Of any body but an upload's, which is read as it comes."""


def make_app(console: Console, door: Door, place: Place | None = None) -> web.Application:
    """The application of a console whose visitors this door knows."""
    app = web.Application(client_max_size=MOST_FORM_BYTES, middlewares=[in_words(), guard(door)])
    app[CONSOLE] = console
    app[DOOR] = door
    app[PLACE] = place or Place()
    app[ENDING] = asyncio.Event()
    app[INTAKE] = Intake()
    app.on_shutdown.append(_tell_to_end)
    console.pages.give("api_url", console.settings.api_url)
    console.pages.give("approvals", console.rules.approval_over is not None)
    app.on_response_prepare.append(put_on)
    app.cleanup_ctx.append(keeping.background)
    app.add_routes([*static_files.routes(), *entrance.routes(), *deeds.routes(), *campaigns.routes(), *draft_routes.routes()])
    campaigns.set_up(app)
    return app


async def _tell_to_end(app: web.Application) -> None:
    app[ENDING].set()
