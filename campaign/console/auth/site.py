"""Where the console is: by which names it is called, whether by https, from which address a visitor comes; its cookies and headers."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`names` are the hosts it answers to; None is any. `secure` is that browsers reach it by https, its own or a proxy's."""

    names: frozenset[str] | None = None
    secure: bool = False
    behind_proxy: bool = False

    def answers_to(self, request: web.Request) -> bool:
        """Whether the address bar had a name of this console.

        A page of the internet can have its own name mean 127.0.0.1, and would be let in as this very site.
        """
        try:
            host = request.url.host or ""
        except ValueError:
            return False
        return self.names is None or host.lower() in self.names

    def is_plain(self, request: web.Request) -> bool:
        """Whether the browser came to the proxy by http, where it would keep no cookie of ours."""
        return self.behind_proxy and _from_proxy(request) and request.headers.get("X-Forwarded-Proto", "https") != "https"

    def origin(self, request: web.Request) -> str:
        """The origin that this console's own pages have."""
        return f"{'https' if self.secure else 'http'}://{request.host}".lower()

    def address(self, request: web.Request) -> str:
        """From where the visitor comes; what a proxy says of it is believed on this machine alone."""
        if self.behind_proxy and _from_proxy(request):
            # The last one is what our own proxy has seen; those before it are whatever the visitor wrote.
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-1].strip()
            return forwarded[:64] or (request.remote or "")
        return request.remote or ""


SITE: Final = web.AppKey("place", Site)


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_proxy(request: web.Request) -> bool:
    return is_loopback(request.remote or "")


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
        secure=request.app[SITE].secure,
        httponly=True,
        samesite="Strict",
    )


def _name(request: web.Request, name: str) -> str:
    # Bound to this very host by https. Else the port is in it: a browser sends the cookies of a host to all of its ports.
    return f"__Host-{name}" if request.app[SITE].secure else f"{name}-{request.url.port}"


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


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Called for each answer before its first byte, streams and errors included."""
    answer.headers.update(HEADERS)
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.popall("Server", None)
    if request.app[SITE].secure:
        answer.headers["Strict-Transport-Security"] = TWO_YEARS
