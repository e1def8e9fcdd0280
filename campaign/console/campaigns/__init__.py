"""Campaigns of the ledger: all of them, each one live, its controls, its results, and its re-runs."""

from collections.abc import AsyncIterator

from aiohttp import web

from campaign.console.campaigns import again, downloads, listing, mended, page, shown, steering
from campaign.console.campaigns.charts import Charts
from campaign.console.campaigns.exports import Exports
from campaign.console.campaigns.hub import Hub
from campaign.console.campaigns.looking import Looking
from campaign.console.campaigns.mended_plan import jobs_of
from campaign.console.campaigns.watching import WATCHING, Watching
from campaign.console.console import CONSOLE


def routes() -> list[web.RouteDef]:
    """Every page about campaigns."""
    return [*listing.routes(), *page.routes(), *steering.routes(), *downloads.routes(), *again.routes(), *mended.routes()]


def set_up(app: web.Application) -> None:
    """Give the pages what they need, for as long as the application lives."""
    console = app[CONSOLE]
    for function in (shown.when, shown.thousands, shown.label, shown.capitalized, shown.latency, page.ended):
        console.pages.add_filter(function.__name__, function)

    async def watch(app: web.Application) -> AsyncIterator[None]:
        looking = Looking(console.settings)
        exports = Exports(console.folder / "exports", console.settings)
        mending = jobs_of(console)
        app[WATCHING] = Watching(looking=looking, hub=Hub(), charts=Charts(looking, console.pages), exports=exports, mending=mending)
        yield
        await mending.close()
        await app[WATCHING].charts.close()
        exports.close()
        looking.close()

    async def end_streams(app: web.Application) -> None:
        # Before the server waits for what is under way, which streams would never end of themselves.
        await app[WATCHING].hub.close()

    app.cleanup_ctx.append(watch)
    app.on_shutdown.append(end_streams)
