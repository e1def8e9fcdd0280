"""The console's application, put together."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from aiohttp import web

from campaign.console import campaigns, drafts
from campaign.console.access import Door
from campaign.console.console import CONSOLE, Console
from campaign.console.door.guard import guard

MOST_FORM_BYTES: Final = 1 << 20
"""Of any body but an upload's, which is read as it comes."""


def make_app(console: Console, door: Door) -> web.Application:
    """The application of a console whose visitors this door knows."""
    app = web.Application(client_max_size=MOST_FORM_BYTES, middlewares=[guard(door)])
    app[CONSOLE] = console
    app.router.add_static("/static", Path(str(files("campaign.console").joinpath("static"))))
    app.add_routes([*campaigns.routes(), *drafts.routes()])
    return app
