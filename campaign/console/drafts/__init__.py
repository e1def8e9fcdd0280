"""The way of a promotion that is not sent yet: list, column, message, checks, controls, test, and sending."""

from aiohttp import web


def routes() -> list[web.RouteDef]:
    """Every page of the way."""
    return []
