"""Reads a request: its endpoint, pass or batch, message and token."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes

import orjson


class Endpoint(StrEnum):
    """The API's endpoints, by the names that its rate limit uses, and the paths that it doesn't have."""

    NOTIFY = "POST /api/v1/passes/:id/notification"
    SHOW = "GET /api/v1/passes/:id"
    LIST = "GET /api/v1/passes"
    CREATE_BATCH = "POST /api/v1/entities/:id/messaging/wallet"
    LIST_BATCHES = "GET /api/v1/batches"
    SHOW_BATCH = "GET /api/v1/batches/:id"
    CANCEL_BATCH = "PATCH /api/v1/batches/:id/cancel"
    SEND_BATCH = "POST /api/v1/batches/:id/send-now"
    BATCH_FILE = "GET /files/:name"
    ELSEWHERE = "elsewhere"
    OTHER = "other"

    @property
    def path(self) -> str:
        return self.value.partition(" ")[2]

    @property
    def step(self) -> str:
        """The endpoint's step in the life of a batch, by its name in the batch faults; empty for other endpoints."""
        return _STEPS.get(self, "")

    @property
    def reads(self) -> bool:
        return self.value.startswith("GET ")


_STEPS: Final = {
    Endpoint.CREATE_BATCH: "create",
    Endpoint.SHOW_BATCH: "look",
    Endpoint.LIST_BATCHES: "list",
    Endpoint.SEND_BATCH: "send_now",
    Endpoint.CANCEL_BATCH: "cancel",
    Endpoint.BATCH_FILE: "csv",
}
STEPS: Final = tuple(_STEPS.values())
ENTITIES: Final = "/api/v1/entities/"
BATCHES: Final = "/api/v1/batches"
FILES: Final = "/files/"
PASSES: Final = "/api/v1/passes/"
NOTIFICATION: Final = "/notification"
ELSEWHERE: Final = "/elsewhere/"
"""The target of redirects; a client that sends its token here leaks it."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_PAGE: Final = re.compile(r"[1-9][0-9]{0,8}")
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a request. `pass_id` is None if there is none, or it is not percent-encoded UTF-8 by RFC 3986.

    `segment` is the variable part of the URL: the encoded id of a pass, batch or entity; a file's name with its query; or a list's query.
    """

    endpoint: Endpoint
    segment: str = ""
    pass_id: str | None = None

    @property
    def raw_path(self) -> str:
        """The usual path of a pass's endpoint, without a query."""
        return PASSES + self.segment + (NOTIFICATION if self.endpoint is Endpoint.NOTIFY else "")


_OF_ENTITIES: Final = {("POST", "messaging/wallet"): Endpoint.CREATE_BATCH}
_OF_BATCHES: Final = {
    ("GET", ""): Endpoint.SHOW_BATCH,
    ("PATCH", "cancel"): Endpoint.CANCEL_BATCH,
    ("POST", "send-now"): Endpoint.SEND_BATCH,
}


_LISTS: Final = {BATCHES: Endpoint.LIST_BATCHES, Endpoint.LIST.path: Endpoint.LIST}


def read_target(method: str, raw_path: str) -> Target:
    """Find the endpoint. An empty segment, `.` and `..` are no pass ids, because a proxy would have removed them."""
    path, _, query = raw_path.partition("?")
    if path.startswith(ELSEWHERE):
        return Target(endpoint=Endpoint.ELSEWHERE)
    if path.startswith(FILES) and method == "GET":
        return Target(endpoint=Endpoint.BATCH_FILE, segment=raw_path.removeprefix(FILES))
    if method == "GET" and (listed := _LISTS.get(path)):
        return Target(endpoint=listed, segment=query)
    for root, endpoints in ((ENTITIES, _OF_ENTITIES), (f"{BATCHES}/", _OF_BATCHES)):
        segment, _, rest = path.removeprefix(root).partition("/")
        if path.startswith(root) and segment and (endpoint := endpoints.get((method, rest))):
            return Target(endpoint=endpoint, segment=segment)
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
    """The decoded text of a path segment; None if the encoding is invalid."""
    if _PLAIN.fullmatch(segment):
        return segment
    if not _ENCODED.fullmatch(segment):
        return None
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a request is not processed: an HTTP status and the sentence of its errors body."""

    status: int
    error: str


def read_page(query: str) -> int | Objection:
    """The page of a list that a query asks for, from 1, or an objection."""
    page = parse_qs(query).get("page", ["1"])[-1]
    return int(page) if _PAGE.fullmatch(page) else Objection(status=422, error="Page must be a whole number above 0")


def list_meta(*, total: int, size: int, page: int) -> dict[str, int]:
    """The `meta` that the vendor documents for a page of a list."""
    return {"totalCount": total, "resultsPerPage": size, "currentPage": page, "totalPages": -(-total // size)}


def read_message(*, content_type: str, body: bytes) -> str | Objection:
    """The message of `{"notification": {"message": "..."}}`, or an objection."""
    document = read_json(content_type=content_type, body=body)
    if isinstance(document, Objection):
        return document
    notification = document.get("notification") if isinstance(document, dict) else None
    message = notification.get("message") if isinstance(notification, dict) else None
    return read_text("Message", message)


def read_text(name: str, text: object) -> str | Objection:
    if text is None:
        return Objection(status=422, error=f"{name} is missing")
    if not isinstance(text, str):
        return Objection(status=422, error=f"{name} must be a string")
    if not text.strip():
        return Objection(status=422, error=f"{name} can't be blank")
    return text


def read_json(*, content_type: str, body: bytes) -> object:
    """The decoded document, or an `Objection`."""
    if content_type != "application/json" and not (content_type.startswith("application/") and content_type.endswith("+json")):
        return Objection(status=400, error=f"Content-Type must be application/json, not {content_type}")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Objection(status=400, error=f"Body is not valid JSON: {error}")
    return document


NO_TOKEN: Final = 0
_BEARER: Final = re.compile(r"Bearer +([^\s]+) *", re.IGNORECASE)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization` header, or None if it has none."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def fingerprint(token: str) -> str:
    """The first 12 hex digits of the token's SHA-256."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:12]


@dataclass(slots=True)
class Allowance:
    """The number of requests that are still accepted, with any token; None for no limit."""

    left: int | None

    def take(self) -> bool:
        if self.left is None:
            return True
        if self.left == 0:
            return False
        self.left -= 1
        return True


class TokenNames:
    """Fingerprints of tokens by number, so that a request's record needs only four bytes; 0 is no token."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._fingerprints: list[str] = [""]

    def number(self, token: str | None) -> int:
        if token is None:
            return NO_TOKEN
        found = self._numbers.get(token)
        if found is None:
            found = self._numbers[token] = len(self._fingerprints)
            self._fingerprints.append(fingerprint(token))
        return found

    def name(self, number: int) -> str:
        return self._fingerprints[number]
