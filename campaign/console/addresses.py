"""Addresses of pages about campaigns, whose names can be anything."""

import re
from typing import Final
from urllib.parse import quote

from aiohttp import web

_ODD: Final = re.compile(r"[~{}/\\%\x00-\x1f\x7f]|^\.+")
"""What browsers, proxies or servers read as something other than a part of a name, even when it is percent-encoded."""
_WRITTEN: Final = re.compile(r"~([0-9A-F]{2})")


def campaign_page(name: str, *more: str) -> str:
    """The path of a campaign's page, or of one below it."""
    return "/".join(("/campaigns", quote(as_part(name), safe=""), *more))


def campaign_in(request: web.Request) -> str:
    """The name of the campaign whose page is asked for (`{name}` of the route)."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), request.match_info["name"])


def as_part(name: str) -> str:
    """The name as one part of a path, readable where that can be."""
    return _ODD.sub(lambda found: "".join(f"~{ord(character):02X}" for character in found[0]), name)
