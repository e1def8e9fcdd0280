"""What must hold of a ledger after every step of a model test, asked through its reader alone."""

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

from campaign.domain.model import Counts, ResultRow
from campaign.domain.status import ENDED, Event, Status
from campaign.ledger.port import DesiredState, PendingWork
from tests.contract.world import Row, RowKey, World
from tests.transitions import allowed

NEVER_SENT = frozenset({Status.PENDING, Status.FAILED})
"""What a row of these that nobody had sent again says of its pass: the message is not there, and will not come."""


def changed_as_drawn(before: dict[RowKey, Status], after: dict[RowKey, Status], *, events: Collection[Event]) -> None:
    """Every change is one that these events make, one after the other, each at most once."""
    for key, status in after.items():
        old = before.get(key, status)
        if old is status:
            continue
        assert old not in ENDED, (key, old, status)
        assert _reached(old, status, tuple(events)), (key, old, status, events)


def _reached(old: Status, new: Status, events: tuple[Event, ...]) -> bool:
    steps = [{old}]
    for event in events:
        steps.append({after for status in steps[-1] for after in Status if allowed(status, event, after)} | steps[-1])
    assert all(fewer <= more for fewer, more in pairwise(steps))
    return new in steps[-1]


def counted_as_listed(counts: Counts, rows: list[ResultRow]) -> None:
    listed = Counter(row.outcome.status for row in rows)
    assert counts.by_status == {status: listed[status] for status in Status}
    assert counts.rows == len(rows)
    for status in (Status.FAILED, Status.UNKNOWN, Status.SKIPPED, Status.INVALID, Status.NOT_DELIVERED):
        reasons = Counter(row.outcome.reason for row in rows if row.outcome.status is status)
        assert counts.reasons(status) == dict(reasons)


def foreseen_as_listed(outlook: PendingWork, rows: list[Row], *, desired_state: DesiredState) -> None:
    statuses = {row.status for row in rows}
    assert outlook.desired_state is desired_state
    assert (outlook.pending_in_seconds is not None) == (Status.PENDING in statuses)
    assert outlook.sending == (Status.SENDING in statuses)
    assert (outlook.unverified_in_seconds is not None) == any(row.unverified_since is not None for row in rows)
    if desired_state is DesiredState.CANCELLED:
        assert Status.PENDING not in statuses


def each_has_one_owner(world: World) -> None:
    """A row is being sent if, and only if, one runner that is not buried holds it."""
    for row in world.rows.values():
        assert (row.status is Status.SENDING) == (row.holder is not None), row
        assert row.unverified_since is None or row.status is Status.UNKNOWN, row


def one_in_flight_per_pass(world: World, *, asked_again: Collection[RowKey]) -> None:
    """Of one pass no two rows are in flight or unverified, but for those that a person has had read back again."""
    busy = Counter(
        row.pass_key
        for row in world.rows.values()
        if (row.status is Status.SENDING or row.unverified_since is not None) and row.key not in asked_again
    )
    assert all(count == 1 for count in busy.values()), busy


def told_as_it_was(world: World) -> None:
    """No message came twice unless a person had it sent again, and what the ledger says of a row is true."""
    for key, row in world.rows.items():
        assert world.arrivals[key] <= row.allowed, ("sent twice", row, world.texts[row.pass_key])
        if row.status is Status.ACCEPTED:
            assert world.arrivals[key] > 0, ("never arrived", row, world.texts.get(row.pass_key))
        if row.status in NEVER_SENT and row.allowed == 1:
            assert world.arrivals[key] == 0, ("had arrived", row, world.texts[row.pass_key])
            assert not world.is_under_way(key), ("may arrive", row)
