"""When senders had to wait though rows were due, and why: what a report marks, and nothing that sending depends on."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Why(StrEnum):
    """What is waited for: the API asked to slow down (429), or was in trouble, or it is not the time to send."""

    THROTTLED = "throttled"
    TROUBLE = "trouble"
    HOURS = "hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Unix seconds. It was meant to last until then: whoever waits may be stopped before."""

    since: float
    until: float
    why: Why


class WaitNotes(Protocol):
    async def note_wait(self, campaign: int, why: Why, *, seconds: float) -> None:
        """Keep that the campaign's senders wait from now on for so long; what overlaps the last wait of its kind goes on in it."""


class WaitReader(Protocol):
    def waits(self, campaign: int) -> list[Wait]:
        """Every wait of the campaign's senders, in the order in which they began; those of two kinds may overlap."""


def waits(found: Iterable[tuple[Any, ...]]) -> list[Wait]:
    """What a ledger's table has, (since, until, why)."""
    return [Wait(since=since, until=until, why=Why(why)) for since, until, why in found]
