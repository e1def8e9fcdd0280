"""What the pages about campaigns have at hand besides the console's own."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from campaign.console.campaigns.charts import Charts
from campaign.console.campaigns.exports import Exports
from campaign.console.campaigns.hub import Hub
from campaign.console.campaigns.looking import Looking
from campaign.console.drafts.jobs import Jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """One for a console's life. Who holds `starting` may start a command."""

    looking: Looking
    hub: Hub
    charts: Charts
    exports: Exports
    mending: Jobs
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)


WATCHING: Final = web.AppKey("watching", Watching)


def watching_of(request: web.Request) -> Watching:
    """That of the console that a request came to."""
    return request.app[WATCHING]
