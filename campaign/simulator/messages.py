"""Whether the body of a POST holds a message."""

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a request is not processed: an HTTP status and the sentence of its errors body."""

    status: int
    error: str


def read_message(*, content_type: str, body: bytes) -> str | Objection:
    """The message of `{"notification": {"message": "..."}}`, or what speaks against it."""
    if content_type != "application/json" and not (content_type.startswith("application/") and content_type.endswith("+json")):
        return Objection(status=400, error=f"Content-Type must be application/json, not {content_type}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Objection(status=400, error=f"Body is not valid JSON: {error}")
    notification = document.get("notification") if isinstance(document, dict) else None
    message = notification.get("message") if isinstance(notification, dict) else None
    if message is None:
        return Objection(status=422, error="Message is missing")
    if not isinstance(message, str):
        return Objection(status=422, error="Message must be a string")
    if not message.strip():
        return Objection(status=422, error="Message can't be blank")
    return message
