"""Parses an answer of the API: status, headers and bytes in, `Reply` or `PassReading` out. Pure; no bytes make it raise."""

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from campaign.domain.pace.pacing import LONGEST_RETRY_AFTER_SECONDS
from campaign.domain.verdict import DELIVERED_VALUE, Latest, PassReading, Reply, Signature

LONGEST_EXCERPT: Final = 300
"""How many characters of a foreign text are kept."""

_HEAD: Final = 4096
"""How many characters are searched for them: enough to get past the markup of an error page, and few enough to be cheap."""

_MASK: Final = "***"
# Every repetition is bounded or stops at the next tag, so that no text makes a search slow.
_TITLE: Final = re.compile(r"<title\b[^<>]{0,200}>([^<]{1,600})", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(style|script|head)\b[^<>]{0,200}>[^<]*", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>?")


def visible(text: str, *, secret: str) -> str:
    """The text, with the secret masked, each unprintable character replaced by U+FFFD, and cut to 300 characters."""
    text = text.replace(secret, _MASK)
    if len(text) > LONGEST_EXCERPT:
        text = text[: LONGEST_EXCERPT - 1] + "…"
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def excerpt(text: str, *, secret: str) -> str:
    """The beginning of a text in one line; for an HTML page its title, or else its first words."""
    if len(text) <= LONGEST_EXCERPT and text.isprintable() and not text.startswith(("<", " ")) and "  " not in text and secret not in text:
        # The usual message of the API, a short line of plain words, which the code below would not change.
        return text.rstrip()
    # The secret is masked first: after a cut through it, it would not be found.
    text = text.replace(secret, _MASK)[:_HEAD]
    if text.lstrip().startswith("<"):
        text = _words_of_page(text)
    return visible(" ".join(text.split()), secret=secret)


def _words_of_page(page: str) -> str:
    title = _TITLE.search(page)
    words = title[1] if title else _TAG.sub(" ", _HIDDEN.sub(" ", page))
    return html.unescape(words)


FROM_A_CACHE: Final = "The answer comes from a cache, by its headers: have it keep nothing of PassEntry"
_SIGNS: Final = {
    "age": re.compile("[1-9]"),
    "warning": re.compile(r"(?:^|,)\s?11[0-3]\b"),
    "x-varnish": re.compile(r"\d +\d"),
    "server-timing": re.compile('cdn-cache(?:-|; ?desc=)"?hit', re.IGNORECASE),
}
"""What of these headers shows that the answer comes from a cache. The names of other such headers hold “cache”."""

_NOT_OF_THE_ANSWER: Final = ("control", "key", "keys", "tag", "tags", "contexts")
"""Ends of names of headers about caches that do not say where the answer comes from; some hold any text."""

_HOST: Final = re.compile(r"\sfrom\s[^,]*")
_KEPT: Final = re.compile(r"hit(?![a-z])|stale|updating|\bfresh\b|refresh_fail", re.IGNORECASE)
_COUNTED: Final = re.compile("[1-9]|true|yes", re.IGNORECASE)
_STATUS_WORDS: Final = frozenset({b"404", b"410", b"page", b"not", b"found", b"gone"})
_LONGEST_STATUS: Final = 64
_DECIMAL: Final = re.compile(r"\d{1,300}(?:\.\d{0,300})?|\.\d{1,300}", re.ASCII)
_MOST_DIGITS: Final = 9


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """How many seconds the answer asks to wait: from 0 to LONGEST_RETRY_AFTER_SECONDS; None if it does not say.

    `headers` ignore case. `now` is in Unix seconds, for an answer that gives a date and has no `Date` to compare it with.
    """
    for name in ("x-rate-limit-retry-after", "Retry-After"):
        value = headers.get(name)
        if value is None:
            continue
        seconds = _decimal(value) if name != "Retry-After" else _decimal_or_date(value, headers, now=now)
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    return None


def count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else None


def is_cached(headers: Mapping[str, str]) -> bool:
    """Whether an answer says that a cache kept it, or may have; of several caches one after the other each may say so."""
    return any(_says_cached(name.lower(), value) for name, value in headers.items())


def _says_cached(name: str, value: str) -> bool:
    if name in _SIGNS:
        return bool(_SIGNS[name].search(value))
    if "cache" not in name or name.endswith(_NOT_OF_THE_ANSWER):
        return False
    said = _HOST.sub("", value)
    return bool(_KEPT.search(said) or (("hit" in name or "from" in name) and _COUNTED.search(said)))


def _decimal(value: str) -> float | None:
    value = value.strip()
    return float(value) if _DECIMAL.fullmatch(value) else None


def _decimal_or_date(value: str, headers: Mapping[str, str], *, now: float) -> float | None:
    seconds = _decimal(value)
    if seconds is not None:
        return seconds
    until = _date(value)
    if until is None:
        return None
    # The server made the date by its own clock, so it is compared with that.
    asked_at = _date(headers.get("Date", ""))
    return until - (now if asked_at is None else asked_at)


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


_MOST_ERRORS: Final = 20
_REAL_TOKEN_LENGTH: Final = 16
_ABSENT: Final = object()
_DOCUMENTED: Final = Signature(documented=True, json=True)
_DOCUMENTED_HEADERS: Final = tuple(f"x-rate-limit-{name}" for name in ("limit", "remaining", "reset", "retry-after", "url"))
_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"
"""Bytes that may precede markup, those of a byte order mark included."""


def read_reply(*, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, token: str, now: float) -> Reply:
    """The answer to a notification. Its `headers` ignore case, and its `body` is what came; `whole` says whether it is complete.

    An answer from a cache is unreadable, as it may be that to an earlier message. The token is masked wherever the answer repeats it.
    `now` is in Unix seconds, for a `Retry-After` that is a date.
    """
    remaining = count(headers, "x-rate-limit-remaining")
    limit = count(headers, "x-rate-limit-limit")
    cached = is_cached(headers)
    if not 200 <= http_status < 300:
        found = parse_json(body)
        signature = _signature(headers, found, body, whole=whole, documented=_has_errors(found), token=token)
        return Reply(
            http_status=http_status,
            readable=not cached,
            retry_after_seconds=retry_after_seconds(headers, now=now),
            rate_remaining=remaining,
            rate_limit=limit,
            error=FROM_A_CACHE if cached else _error(body, token=token) or _leads_to(signature),
            signature=signature,
        )
    found = parse_json(body) if whole else None
    notification = _object(_object(found, "meta"), "notifications")
    status = _scalar(notification.get("status")) if notification is not None else ""
    cached = cached and notification is not None
    if notification is None or cached or not status.strip():
        return Reply(
            http_status=http_status,
            readable=False,
            rate_remaining=remaining,
            rate_limit=limit,
            error=FROM_A_CACHE if cached else _undocumented(body, whole=whole, token=token),
            signature=_signature(headers, found, body, whole=whole, documented=cached or _has_errors(found), token=token),
        )
    pass_status, device_type = _pass_and_device(_object(_object(found, "data"), "attributes"), token=token)
    return Reply(
        http_status=http_status,
        # The value is compared with DELIVERED_VALUE later, so it stays as it came.
        notification_status=status if status == DELIVERED_VALUE else visible(status, secret=token),
        notification_message=excerpt(_scalar(notification.get("message")), secret=token),
        rate_remaining=remaining,
        rate_limit=limit,
        pass_status=pass_status,
        device_type=device_type,
        signature=_DOCUMENTED,
    )


def read_pass(*, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, token: str, now: float) -> PassReading:
    """The answer to Show Pass; it is unreadable unless it is a whole, documented 200 from no cache. Arguments as for `read_reply`."""
    # The request forbids a cached answer: it may be older than the message, or than the pass.
    cached = is_cached(headers)
    if http_status != 200:
        found = parse_json(body)
        signature = _signature(headers, found, body, whole=whole, documented=_has_errors(found), token=token)
        return PassReading(
            latest=Latest.UNREADABLE,
            http_status=http_status,
            retry_after_seconds=retry_after_seconds(headers, now=now),
            error=FROM_A_CACHE if cached else _error(body, token=token) or _leads_to(signature),
            signature=replace(signature, documented=False, json=False, empty=False) if cached else signature,
        )
    found = parse_json(body) if whole else None
    data = _object(found, "data")
    attributes = _object(data, "attributes")
    text = attributes.get("latestMessage", _ABSENT) if attributes is not None else None
    # Beside errors the pass may be shown in part.
    partial = isinstance(found, dict) and found.get("errors")
    if data is None or attributes is None or partial or not (text is None or text is _ABSENT or isinstance(text, str)):
        return PassReading(
            latest=Latest.UNREADABLE,
            http_status=http_status,
            error=_undocumented(body, whole=whole, token=token),
            signature=_signature(headers, found, body, whole=whole, documented=attributes is not None, token=token),
        )
    if cached:
        return PassReading(latest=Latest.UNREADABLE, http_status=http_status, error=FROM_A_CACHE, signature=_DOCUMENTED)
    pass_status, device_type = _pass_and_device(attributes, token=token)
    return PassReading(
        latest=Latest.TEXT if isinstance(text, str) else Latest.NULL if text is None else Latest.MISSING,
        text=_exact(text, token=token) if isinstance(text, str) else "",
        ids=(_scalar(data.get("id")), _scalar(attributes.get("extId"))),
        http_status=http_status,
        pass_status=pass_status,
        device_type=device_type,
        signature=_DOCUMENTED,
    )


def _says_only_its_status(body: bytes) -> bool:
    """Whether a body is empty, or such as `404: Not Found`, which many servers give for a path that they do not know."""
    return len(body) <= _LONGEST_STATUS and _STATUS_WORDS.issuperset(re.findall(rb"[a-z0-9\x80-\xff]+", body.lower()))


def _signature(headers: Mapping[str, str], found: object, body: bytes, *, whole: bool, documented: bool, token: str) -> Signature:
    """The signs of who answered; `found` is the body's JSON, `documented` whether it has the documented form."""
    markup = body[:64].lstrip(_BLANKS).startswith(b"<")
    # An HTML page whose body did not come is a page, too.
    html = (bool(body) or not whole) and headers.get("Content-Type", "").lower().startswith("text/html") and found is None
    return Signature(
        documented=documented or any(headers.get(name, "").strip() for name in _DOCUMENTED_HEADERS),
        json=isinstance(found, dict),
        page=markup or html,
        empty=whole and found is None and _says_only_its_status(body),
        whole=whole,
        redirects_to=visible(_host(headers.get("Location", "")), secret=token),
    )


def _host(location: str) -> str:
    """The host of a redirect; the path and query may hold confidential data."""
    try:
        return urlsplit(location).hostname or location.partition("?")[0]
    except ValueError:
        return location.partition("?")[0]


def _leads_to(signature: Signature) -> str:
    return f"It leads to {signature.redirects_to}" if signature.redirects_to else ""


def _has_errors(document: object) -> bool:
    """Whether a document is the documented `{"errors": ["text", ...]}`."""
    errors = document.get("errors") if isinstance(document, dict) else None
    return isinstance(errors, list) and bool(errors) and all(isinstance(error, str) for error in errors)


def _pass_and_device(attributes: dict[str, object] | None, *, token: str) -> tuple[str, str]:
    found = attributes or {}
    return visible(_scalar(found.get("status")), secret=token), visible(_scalar(found.get("deviceType")), secret=token)


def parse_json(body: bytes | str) -> Any:
    """The value; None also if it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _object(value: object, key: str) -> dict[str, object] | None:
    """The object under a key of an object; None if either is no object."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else None


def _scalar(value: object) -> str:
    """A text as it came; a number or truth value as JSON; empty for any other value."""
    if isinstance(value, str):
        return value
    return _as_json(value) if isinstance(value, bool | int | float) else ""


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # orjson reads deeper nesting than it writes.
        return "…"


def _exact(text: str, *, token: str) -> str:
    # This text is compared with messages. A token of a test (`secret`) may be a word of a message; a real token never is.
    return text.replace(token, "***") if len(token) >= _REAL_TOKEN_LENGTH else text


def _error(body: bytes, *, token: str) -> str:
    """The documented `{"errors": ["text", ...]}` as one line, else the first words of the body."""
    found = parse_json(body)
    errors = found.get("errors") if isinstance(found, dict) else None
    if isinstance(errors, list) and errors:
        texts = (error if isinstance(error, str) else _as_json(error) for error in errors[:_MOST_ERRORS])
        # Each is masked by itself, as the cut after joining may go through a token.
        return visible("; ".join(excerpt(text, secret=token) for text in texts), secret=token)
    return excerpt(errors if isinstance(errors, str) else body.decode(errors="replace"), secret=token)


def _undocumented(body: bytes, *, whole: bool, token: str) -> str:
    problem = "The answer is not the documented one" if whole else "The answer is too long or broke off"
    words = _error(body, token=token)
    return visible(f"{problem}: {words}" if words else f"{problem}: it is empty.", secret=token)
