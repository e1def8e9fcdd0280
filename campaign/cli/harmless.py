"""What a log may hold of what came from elsewhere: nothing that a terminal acts upon, or that a reader takes for another line."""

from typing import Any, Final

from structlog.typing import EventDict

PRIVATE: Final = frozenset({"message", "token"})
"""Details that no log holds, whoever tells them."""


def harmless(_logger: object, _method: str, event: EventDict) -> EventDict:
    """One of structlog's processors: the event without what is private, its texts printable and on one line."""
    return {_printable(name): _printable(value) for name, value in event.items() if name not in PRIVATE}


def _printable(value: Any) -> Any:
    if isinstance(value, list):
        return [_printable(part) for part in value]
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value)
