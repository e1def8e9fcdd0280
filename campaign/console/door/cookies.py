"""Cookies that no script and no other site gets at."""

from aiohttp import web

from campaign.console.door.place import PLACE


def cookie(request: web.Request, name: str) -> str:
    """What the browser holds; empty if nothing."""
    return request.cookies.get(_name(request, name), "")


def set_cookie(request: web.Request, answer: web.StreamResponse, name: str, value: str, *, seconds: float) -> None:
    """Have the browser hold this for so long; 0 takes it away."""
    answer.set_cookie(
        _name(request, name),
        value,
        max_age=int(seconds),
        path="/",
        secure=request.app[PLACE].secure,
        httponly=True,
        samesite="Strict",
    )


def _name(request: web.Request, name: str) -> str:
    # Bound to this very host by https. Else the port is in it: a browser sends the cookies of a host to all of its ports.
    return f"__Host-{name}" if request.app[PLACE].secure else f"{name}-{request.url.port}"
