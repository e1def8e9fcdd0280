"""Where the console is: by which names it is called, whether by https, and from which address a visitor comes."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
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


PLACE: Final = web.AppKey("place", Place)


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_proxy(request: web.Request) -> bool:
    return is_loopback(request.remote or "")
