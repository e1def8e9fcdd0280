"""What may be wrong with messages that can be sent: one kind each, how many messages, where, and one of them. Nothing here stops a run."""

from dataclasses import dataclass
from enum import StrEnum


class Care(StrEnum):
    """What to look at before sending, gravest first."""

    PLACEHOLDER = "placeholder"
    EMPTY_MERGE = "empty_merge"
    MOJIBAKE = "mojibake"
    BROKEN_LINK = "broken_link"
    INSECURE_LINK = "insecure_link"
    CUT_ON_LOCK_SCREEN = "cut_on_lock_screen"
    SAME_AS_LAST = "same_as_last"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing to look at in one message. `excerpt` is the part of the text that shows it; empty where that is all of it."""

    kind: Care
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Every message with one thing to look at. `rows` are the first of them, in the list's order; `example` is from the first."""

    kind: Care
    count: int
    rows: tuple[int, ...]
    example: str
