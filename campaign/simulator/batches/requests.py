"""Reads the request that creates a batch, and renders its messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from campaign.simulator.api.routes import Objection, read_json, read_text

MOST_RECIPIENTS: Final = 500
EARLIEST: Final = timedelta(hours=1)
LATEST: Final = timedelta(days=365)
_VARIABLE: Final = re.compile(r"%\{([^{}]*)\}")
_ID_KEY: Final = "passId"


class Template:
    """A text with variables such as `%{name}`."""

    def __init__(self, text: str) -> None:
        self._words = _VARIABLE.split(text)
        self._names = self._words[1::2]

    def render(self, recipient: Mapping[str, str]) -> str:
        """The text for a recipient.

        Raises:
            KeyError: the first variable that the recipient has no value for.
        """
        words = self._words.copy()
        words[1::2] = [recipient[name] for name in self._names]
        return "".join(words)


class Recipient(NamedTuple):
    """`message` is the text for the pass; `refused` is why there is none. A tuple, to save memory for a million recipients."""

    pass_id: str
    message: str = ""
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A new batch. `release_unix_ns` is `scheduled_at` in nanoseconds since 1970; with None, the batch is sent after validation."""

    message: str
    name: str
    tag: str | None
    scheduled_at: str | None
    release_unix_ns: int | None
    recipients: tuple[Recipient, ...]


def read_batch(*, content_type: str, body: bytes, unix_ns: int) -> NewBatch | Objection:
    """The batch that the body of a POST describes, or an objection. A recipient without a valid message is refused alone."""
    document = read_json(content_type=content_type, body=body)
    if isinstance(document, Objection):
        return document
    batch = document.get("batch") if isinstance(document, dict) else None
    if not isinstance(batch, dict):
        return _refused("Batch is missing")
    message, name = read_text("Message", batch.get("message")), read_text("Name", batch.get("name"))
    if isinstance(message, Objection):
        return message
    if isinstance(name, Objection):
        return name
    tag = batch.get("tag")
    if tag is not None and not isinstance(tag, str):
        return _refused("Tag must be a string")
    release = _release(batch.get("scheduledAt"), unix_ns)
    if isinstance(release, Objection):
        return release
    recipients = _recipients(batch.get("recipients"), Template(message))
    if isinstance(recipients, Objection):
        return recipients
    return NewBatch(
        message=message,
        name=name,
        tag=tag,
        scheduled_at=None if release is None else release.strftime("%Y-%m-%dT%H:%M:%SZ"),
        release_unix_ns=None if release is None else round(release.timestamp() * 1e9),
        recipients=recipients,
    )


def _release(text: object, unix_ns: int) -> datetime | Objection | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        return _refused("Scheduled at must be an ISO 8601 time in UTC")
    now = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    if not EARLIEST <= when - now <= LATEST:
        return _refused("Scheduled at must be between 1 hour and 365 days from now")
    return when.astimezone(UTC)


def _recipients(given: object, template: Template) -> tuple[Recipient, ...] | Objection:
    if not isinstance(given, list) or not given:
        return _refused("Recipients are missing")
    if len(given) > MOST_RECIPIENTS:
        return _refused(f"Recipients can't be more than {MOST_RECIPIENTS}")
    for number, item in enumerate(given):
        if not isinstance(item, dict) or _ID_KEY not in item or {*map(type, item.values())} != {str}:
            return _refused(f"Recipient {number} must be an object of strings with a passId")
    return tuple(_recipient(item, template) for item in given)


def _recipient(given: dict[str, str], template: Template) -> Recipient:
    # All other keys are variables.
    pass_id = given.pop(_ID_KEY)
    try:
        message = template.render(given)
    except KeyError as missing:
        return Recipient(pass_id, refused=f"Variable {missing.args[0]} is missing")
    if not message.strip():
        return Recipient(pass_id, refused="Message can't be blank")
    return Recipient(pass_id, message)


def _refused(error: str) -> Objection:
    return Objection(status=422, error=error)
