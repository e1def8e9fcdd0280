"""Pages of the ledger's campaigns: the list, each campaign live, its controls, its results, and its retries."""

from collections.abc import AsyncIterator

from aiohttp import web

from campaign.console.campaigns import control, corrections, downloads, listing, page, retry, view_model
from campaign.console.campaigns.broadcast import HUB, Broadcaster
from campaign.console.campaigns.charts import Charts
from campaign.console.campaigns.context import CAMPAIGNS, CampaignContext
from campaign.console.campaigns.corrections import task_runner
from campaign.console.campaigns.exports import Exports
from campaign.console.campaigns.ledger_reads import LedgerReads
from campaign.console.console import CONSOLE
from campaign.domain.text.lines import capitalized, local_time


def routes() -> list[web.RouteDef]:
    return [*listing.routes(), *page.routes(), *control.routes(), *downloads.routes(), *retry.routes(), *corrections.routes()]


def set_up(app: web.Application) -> None:
    """Set up filters and shared objects for the life of the application."""
    console = app[CONSOLE]
    for function in (local_time, view_model.thousands, view_model.label, capitalized, view_model.latency):
        console.pages.add_filter(function.__name__, function)

    async def watch(app: web.Application) -> AsyncIterator[None]:
        app[HUB] = Broadcaster()
        ledger = LedgerReads(console.settings)
        exports = Exports(console.folder / "exports", console.settings)
        file_reader = task_runner(console)
        app[CAMPAIGNS] = CampaignContext(ledger=ledger, charts=Charts(ledger, console.pages), exports=exports, file_reader=file_reader)
        yield
        await file_reader.close()
        await app[CAMPAIGNS].charts.close()
        exports.close()
        ledger.close()

    async def end_streams(app: web.Application) -> None:
        # Before the server waits for open requests: streams would never end by themselves.
        await app[HUB].close()

    app.cleanup_ctx.append(watch)
    app.on_shutdown.append(end_streams)
