"""What an answer of the API says: status, headers and bytes in, `Reply` or `Reading` out. Pure, and total: no bytes make it raise."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import orjson

from campaign.domain.verdict import DELIVERED_VALUE, Latest, Reading, Reply, Signature
from campaign.sender.excerpts import excerpt, visible
from campaign.sender.limits import count, retry_after_seconds

_MOST_ERRORS: Final = 20
_REAL_TOKEN_LENGTH: Final = 16
_ABSENT: Final = object()
_DOCUMENTED: Final = Signature(documented=True, json=True)
_DOCUMENTED_HEADERS: Final = tuple(f"x-rate-limit-{name}" for name in ("limit", "remaining", "reset", "retry-after", "url"))
_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"
"""What may stand before markup, a byte order mark included."""


def read_reply(*, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, token: str, now: float) -> Reply:
    """The answer to a notification.

    Args:
        http_status: any number.
        headers: looked up by any case.
        body: what came of it.
        whole: whether that is all of it.
        token: masked wherever the answer repeats it.
        now: Unix seconds, for a `Retry-After` that is a date.
    """
    remaining = count(headers, "x-rate-limit-remaining")
    limit = count(headers, "x-rate-limit-limit")
    if not 200 <= http_status < 300:
        found = _json(body)
        signature = _signature(headers, found, body, whole=whole, documented=_has_errors(found), token=token)
        return Reply(
            http_status=http_status,
            retry_after_seconds=retry_after_seconds(headers, now=now),
            rate_remaining=remaining,
            rate_limit=limit,
            error=_error(body, token=token) or _leads_to(signature),
            signature=signature,
        )
    found = _json(body) if whole else None
    notification = _object(_object(found, "meta"), "notifications")
    status = _scalar(notification.get("status")) if notification is not None else ""
    if notification is None or not status.strip():
        return Reply(
            http_status=http_status,
            readable=False,
            rate_remaining=remaining,
            rate_limit=limit,
            error=_undocumented(body, whole=whole, token=token),
            signature=_signature(headers, found, body, whole=whole, documented=_has_errors(found), token=token),
        )
    pass_status, device_type = _pass_and_device(_object(_object(found, "data"), "attributes"), token=token)
    return Reply(
        http_status=http_status,
        # What is compared stays as it came.
        notification_status=status if status == DELIVERED_VALUE else visible(status, secret=token),
        notification_message=excerpt(_scalar(notification.get("message")), secret=token),
        rate_remaining=remaining,
        rate_limit=limit,
        pass_status=pass_status,
        device_type=device_type,
        signature=_DOCUMENTED,
    )


def read_pass(*, http_status: int, headers: Mapping[str, str], body: bytes, whole: bool, token: str, now: float) -> Reading:
    """The answer to Show Pass; all but a whole, documented 200 that comes from no cache is unreadable. Arguments as for `read_reply`."""
    if http_status != 200:
        found = _json(body)
        signature = _signature(headers, found, body, whole=whole, documented=_has_errors(found), token=token)
        return Reading(
            latest=Latest.UNREADABLE,
            http_status=http_status,
            retry_after_seconds=retry_after_seconds(headers, now=now),
            error=_error(body, token=token) or _leads_to(signature),
            signature=signature,
        )
    found = _json(body) if whole else None
    attributes = _object(_object(found, "data"), "attributes")
    text = attributes.get("latestMessage", _ABSENT) if attributes is not None else None
    if attributes is None or not (text is None or text is _ABSENT or isinstance(text, str)):
        return Reading(
            latest=Latest.UNREADABLE,
            http_status=http_status,
            error=_undocumented(body, whole=whole, token=token),
            signature=_signature(headers, found, body, whole=whole, documented=attributes is not None, token=token),
        )
    if age := count(headers, "age"):
        # It was asked not to: what it kept is of before the message.
        error = f"The answer comes from a cache, which made it {age} seconds ago. Have it pass on what is read of PassEntry."
        return Reading(latest=Latest.UNREADABLE, http_status=http_status, error=error, signature=_DOCUMENTED)
    pass_status, device_type = _pass_and_device(attributes, token=token)
    return Reading(
        latest=Latest.TEXT if isinstance(text, str) else Latest.NULL if text is None else Latest.MISSING,
        text=_exact(text, token=token) if isinstance(text, str) else "",
        http_status=http_status,
        pass_status=pass_status,
        device_type=device_type,
        signature=_DOCUMENTED,
    )


def _signature(headers: Mapping[str, str], found: object, body: bytes, *, whole: bool, documented: bool, token: str) -> Signature:
    """Who gave the answer; `found` is its body's JSON, `documented` whether that says so."""
    markup = body[:64].lstrip(_BLANKS).startswith(b"<")
    # A page of which nothing came is one, too.
    html = (bool(body) or not whole) and headers.get("Content-Type", "").lower().startswith("text/html") and found is None
    return Signature(
        documented=documented or any(headers.get(name, "").strip() for name in _DOCUMENTED_HEADERS),
        json=isinstance(found, dict),
        page=markup or html,
        whole=whole,
        redirects_to=visible(_host(headers.get("Location", "")), secret=token),
    )


def _host(location: str) -> str:
    """Where a redirect leads to: what follows the host may hold what is nobody's business."""
    try:
        return urlsplit(location).hostname or location.partition("?")[0]
    except ValueError:
        return location.partition("?")[0]


def _leads_to(signature: Signature) -> str:
    return f"It leads to {signature.redirects_to}" if signature.redirects_to else ""


def _has_errors(document: object) -> bool:
    """Whether it is the documented `{"errors": ["text", ...]}`."""
    errors = document.get("errors") if isinstance(document, dict) else None
    return isinstance(errors, list) and bool(errors) and all(isinstance(error, str) for error in errors)


def _pass_and_device(attributes: dict[str, object] | None, *, token: str) -> tuple[str, str]:
    found = attributes or {}
    return visible(_scalar(found.get("status")), secret=token), visible(_scalar(found.get("deviceType")), secret=token)


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _object(value: object, key: str) -> dict[str, object] | None:
    """The object that an object holds under this key, if both are one."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else None


def _scalar(value: object) -> str:
    """A text as it came, a number or truth value as JSON writes it; nothing for the rest."""
    if isinstance(value, str):
        return value
    return _as_json(value) if isinstance(value, bool | int | float) else ""


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # What was nested too deeply to be written was not too deep to be read.
        return "…"


def _exact(text: str, *, token: str) -> str:
    # This text is compared with messages, which a token of a test (`secret`) may well be a word of; a real one never is.
    return text.replace(token, "***") if len(token) >= _REAL_TOKEN_LENGTH else text


def _error(body: bytes, *, token: str) -> str:
    """The documented `{"errors": ["text", ...]}` as one line, else the first words of whatever came."""
    found = _json(body)
    errors = found.get("errors") if isinstance(found, dict) else None
    if isinstance(errors, list) and errors:
        texts = (error if isinstance(error, str) else _as_json(error) for error in errors[:_MOST_ERRORS])
        # Each is masked alone: what the joining cuts may be the middle of a token.
        return visible("; ".join(excerpt(text, secret=token) for text in texts), secret=token)
    return excerpt(errors if isinstance(errors, str) else body.decode(errors="replace"), secret=token)


def _undocumented(body: bytes, *, whole: bool, token: str) -> str:
    problem = "The answer is not the documented one" if whole else "The answer is too long or broke off"
    words = _error(body, token=token)
    return visible(f"{problem}: {words}" if words else f"{problem}: it is empty.", secret=token)
