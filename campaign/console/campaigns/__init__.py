"""Campaigns of the ledger: all of them, each one live, its controls, its results, and its re-runs."""

from aiohttp import web

from campaign.console.access import Role, allow
from campaign.console.console import console_of


@allow(Role.VIEWER)
async def all_campaigns(request: web.Request) -> web.StreamResponse:
    return console_of(request).pages.respond("campaigns.html", request)


def routes() -> list[web.RouteDef]:
    """Every page about campaigns."""
    return [web.get("/", all_campaigns)]
