"""The headers of every answer: no page of ours runs what is not ours, is framed, is kept, or tells others where it was."""

from typing import Final

from aiohttp import web

from campaign.console.door.place import PLACE

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TWO_YEARS: Final = "max-age=63072000"


async def put_on(request: web.Request, answer: web.StreamResponse) -> None:
    """Called for each answer before its first byte, streams and errors included."""
    answer.headers.update(HEADERS)
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.popall("Server", None)
    if request.app[PLACE].secure:
        answer.headers["Strict-Transport-Security"] = TWO_YEARS
