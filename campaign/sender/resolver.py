"""Where `http://localhost` really is: a hosts file or a name server may say otherwise, and the token would leave unencrypted."""

import errno
import ipaddress
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult


class LoopbackResolver(ThreadedResolver):
    """Knows this machine's own addresses only."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The addresses of `host` that are on loopback; OSError if none is."""
        found = [result for result in await super().resolve(host, port, family) if ipaddress.ip_address(result["host"]).is_loopback]
        if not found:
            raise OSError(errno.EADDRNOTAVAIL, f"“{host}” is not this machine here; http is for this machine only")
        return found
