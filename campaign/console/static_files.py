"""Stylesheet, scripts and pictures: read once at the start, so that no path of a request ever reaches the file system."""

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web
from aiohttp.helpers import ETag

from campaign.console.access import Role, allow

PREFIX: Final = "/static/"
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """`mark` tells one content from another."""

    body: bytes
    content_type: str
    mark: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All of them, by their path below `static`."""
    return dict(_below(files("campaign.console").joinpath("static"), ""))


def address_of(name: str) -> str:
    """Where a browser finds a file, under an address that changes with its content, so that it may be kept for ever."""
    return f"{PREFIX}{name}?v={static_files()[name].mark}"


@allow(Role.NOBODY)
async def static_file(request: web.Request) -> web.StreamResponse:
    found = static_files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    asked_for = request.if_none_match or ()
    fresh = any(etag.value == found.mark for etag in asked_for)
    answer = web.Response(status=304) if fresh else web.Response(body=found.body, headers={"Content-Type": found.content_type})
    answer.etag = ETag(value=found.mark)
    answer.headers["Cache-Control"] = FOR_EVER if request.query.get("v") == found.mark else ASK_AGAIN
    return answer


def routes() -> list[web.RouteDef]:
    return [web.get(PREFIX + "{name:.+}", static_file)]


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, StaticFile]]:
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from _below(entry, f"{name}/")
        else:
            body = entry.read_bytes()
            yield name, StaticFile(body=body, content_type=_content_type(name), mark=hashlib.sha256(body).hexdigest()[:16])


def _content_type(name: str) -> str:
    # Not the machine's own table, which on some says that scripts are plain text.
    kind = mimetypes.MimeTypes().guess_type(name)[0] or "text/plain"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("javascript") else kind
