"""Requests and their answers, for people: indented, bounded, and without secrets."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from campaign.domain.text.lines import sanitize_for_terminal

_MOST_LINES: Final = 60
_MOST_CHARACTERS: Final = 4_000
_LIST_QUERY: Final = "type="
_SIGNED: Final = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, for people: indented, bounded, and without secrets. `status` is None where no answer came."""

    method: str
    path: str
    body: str
    status: int | None
    answer: str

    def as_json(self) -> dict[str, Any]:
        return {"method": self.method, "path": self.path, "body": self.body or None, "status": self.status, "answer": self.answer}


class Heard:
    """Keeps the body of the last answer, and passes on each exchange for people."""

    def __init__(self, token: str, tell: Callable[[Exchange], None]) -> None:
        self._token = token
        self._tell = tell
        self.body = b""

    def __call__(self, method: str, path: str, body: bytes, status: int, answer: bytes) -> None:
        self.body = answer
        self.note(method, path, status, _readable(answer), body=_readable(body))

    def note(self, method: str, path: str, status: int | None, answer: str, *, body: str = "") -> None:
        place, _, query = path.partition("?")
        # What else has a query is a file, and its query a key to it.
        shown = path if not query or query.startswith(_LIST_QUERY) else f"{place}?…"
        texts = [masked(text, self._token) for text in (shown, body, answer)]
        self._tell(Exchange(method=method, path=texts[0], body=_bounded(texts[1]), status=status, answer=_bounded(texts[2])))


def masked(text: str, token: str) -> str:
    """The text without the token and without the signatures of links."""
    for secret in {token, quote(token, safe="")}:
        text = text.replace(secret, "***")
    return _SIGNED.sub(r"\1?…", text)


def _readable(body: bytes) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode() if body else ""
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _bounded(text: str) -> str:
    text = text.rstrip()
    shown = text[:_MOST_CHARACTERS].split("\n")
    lines = [sanitize_for_terminal(line) for line in shown[:_MOST_LINES]]
    left = len(text) - sum(len(line) + 1 for line in lines) + 1
    return "\n".join([*lines, *([f"… {left:,} more characters"] if left > 0 else [])])
