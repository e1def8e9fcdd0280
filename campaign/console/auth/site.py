"""The console's site: its host names, whether it uses HTTPS, the address of a visitor; its cookies and headers."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`names` are the hosts that it answers to; None is any. `secure`: browsers reach it by HTTPS, served by itself or by a proxy."""

    names: frozenset[str] | None = None
    secure: bool = False
    behind_proxy: bool = False

    def answers_to(self, request: web.Request) -> bool:
        """Whether the request was for a host name of this console.

        Otherwise a website could point its own name at 127.0.0.1 (DNS rebinding), and would count as this site.
        """
        try:
            host = request.url.host or ""
        except ValueError:
            return False
        return self.names is None or host.lower() in self.names

    def is_plain(self, request: web.Request) -> bool:
        """Whether the browser reached the proxy by HTTP, where it would not store our cookies."""
        return self.behind_proxy and _from_proxy(request) and request.headers.get("X-Forwarded-Proto", "https") != "https"

    def origin(self, request: web.Request) -> str:
        return f"{'https' if self.secure else 'http'}://{request.host}".lower()

    def address(self, request: web.Request) -> str:
        """The visitor's address. The header of a proxy counts only if the proxy is on this machine."""
        if self.behind_proxy and _from_proxy(request):
            # Our proxy adds the last address; a visitor can forge those before it.
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-1].strip()
            return forwarded[:64] or (request.remote or "")
        return request.remote or ""


SITE: Final = web.AppKey("place", Site)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this host."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_proxy(request: web.Request) -> bool:
    return is_loopback(request.remote or "")


def cookie(request: web.Request, name: str) -> str:
    """The value of the browser's cookie; empty if there is none."""
    return request.cookies.get(_name(request, name), "")


def set_cookie(request: web.Request, answer: web.StreamResponse, name: str, value: str, *, seconds: float) -> None:
    """Set a cookie for this many seconds; 0 deletes it."""
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
    # With HTTPS the cookie is bound to this host. Otherwise its name has the port, as a browser sends a host's cookies to all ports.
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
    """Add the headers to each answer before its first byte, including streams and errors."""
    answer.headers.update(HEADERS)
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.popall("Server", None)
    if request.app[SITE].secure:
        answer.headers["Strict-Transport-Security"] = TWO_YEARS
