"""From the request line to what is asked of which pass, on the raw path: an id is one percent-encoded segment, decoded once."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote_to_bytes


class Endpoint(StrEnum):
    """What the API has, under the names that its limit goes by, and what it has not."""

    NOTIFY = "POST /api/v1/passes/:id/notification"
    SHOW = "GET /api/v1/passes/:id"
    ELSEWHERE = "elsewhere"
    OTHER = "other"

    @property
    def path(self) -> str:
        return self.value.partition(" ")[2]


PASSES: Final = "/api/v1/passes/"
NOTIFICATION: Final = "/notification"
ELSEWHERE: Final = "/elsewhere/"
"""Where a redirect leads; whoever comes here with a token gave it away."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request asks for; `pass_id` is None where there is none, or it is not UTF-8 percent-encoded as RFC 3986 has it."""

    endpoint: Endpoint
    segment: str = ""
    pass_id: str | None = None

    @property
    def raw_path(self) -> str:
        """The path as it is normally written, without a query."""
        return PASSES + self.segment + (NOTIFICATION if self.endpoint is Endpoint.NOTIFY else "")


def read_target(method: str, raw_path: str) -> Target:
    """Finds the endpoint. An empty segment, `.` and `..` name no pass, for a proxy would have taken them away."""
    path = raw_path.partition("?")[0]
    if path.startswith(ELSEWHERE):
        return Target(endpoint=Endpoint.ELSEWHERE)
    if not path.startswith(PASSES):
        return Target(endpoint=Endpoint.OTHER)
    segment, slash, rest = path[len(PASSES) :].partition("/")
    if segment in {"", ".", ".."}:
        return Target(endpoint=Endpoint.OTHER)
    if method == "POST" and slash + rest == NOTIFICATION:
        return Target(endpoint=Endpoint.NOTIFY, segment=segment, pass_id=decode_segment(segment))
    if method == "GET" and not slash:
        return Target(endpoint=Endpoint.SHOW, segment=segment, pass_id=decode_segment(segment))
    return Target(endpoint=Endpoint.OTHER)


def decode_segment(segment: str) -> str | None:
    """The text behind one path segment, or None if it is not well encoded."""
    if _PLAIN.fullmatch(segment):
        return segment
    if not _ENCODED.fullmatch(segment):
        return None
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
