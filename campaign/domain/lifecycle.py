"""How a row's status may change: one table, drawn in `docs/developers/states.md` and held by the ledger's own trigger as well."""

from enum import StrEnum
from typing import Final

from campaign.domain.model import Status


class Event(StrEnum):
    CLAIMED = "claimed"
    SETTLED = "settled"
    RELEASED = "released"
    LOST = "lost"
    READ_BACK = "read_back"
    RETRIED = "retried"
    MENDED = "mended"
    LEFT_OUT = "left_out"


TRANSITIONS: Final[dict[tuple[Status, Event], frozenset[Status]]] = {
    (Status.PENDING, Event.CLAIMED): frozenset({Status.SENDING}),
    (Status.PENDING, Event.LEFT_OUT): frozenset({Status.SKIPPED}),
    (Status.SENDING, Event.SETTLED): frozenset(
        {Status.DELIVERED, Status.NOT_DELIVERED, Status.FAILED, Status.UNKNOWN, Status.PENDING, Status.SKIPPED}
    ),
    (Status.SENDING, Event.RELEASED): frozenset({Status.PENDING}),
    (Status.SENDING, Event.LOST): frozenset({Status.UNKNOWN}),
    (Status.UNKNOWN, Event.READ_BACK): frozenset({Status.ACCEPTED, Status.PENDING, Status.FAILED, Status.UNKNOWN}),
    (Status.UNKNOWN, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.NOT_DELIVERED, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.FAILED, Event.RETRIED): frozenset({Status.PENDING}),
    (Status.INVALID, Event.MENDED): frozenset({Status.PENDING}),
    (Status.FAILED, Event.MENDED): frozenset({Status.PENDING}),
}

RETRYABLE: Final = frozenset(status for status, event in TRANSITIONS if event is Event.RETRIED)
"""What a person may ask to have sent again."""

ENDED: Final = frozenset(Status) - {status for status, _ in TRANSITIONS}
"""Never sent again, by anybody."""


def allowed(before: Status, event: Event, after: Status) -> bool:
    return after in TRANSITIONS.get((before, event), frozenset())


def reachable(before: Status) -> frozenset[Status]:
    """Every status that some event turns `before` into."""
    return frozenset().union(*(after for (status, _), after in TRANSITIONS.items() if status is before))
