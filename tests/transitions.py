"""Which status of a row may follow which."""

from campaign.domain.status import TRANSITIONS, Event, Status


def allowed(before: Status, event: Event, after: Status) -> bool:
    return after in TRANSITIONS.get((before, event), frozenset())


def reachable(before: Status) -> frozenset[Status]:
    """Every status that some event turns `before` into."""
    return frozenset().union(*(after for (status, _), after in TRANSITIONS.items() if status is before))
