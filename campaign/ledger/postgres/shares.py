"""Where the due rows of a share are: asked without holding anybody up, so that only who has found some waits for a turn to claim them.

Every number of the share is looked up by itself: going through all that is pending would be going through what is pending of all others.
Who has found some goes on from there, and begins again after the last.
"""

from typing import Final

from campaign.domain.shard import Shard
from campaign.ledger.port import Terms
from campaign.ledger.postgres.connection import Session

MOST_AT_ONCE: Final = 5_000
"""Numbers that one statement looks up: some milliseconds, where the table is in memory."""

MOST_STATEMENTS: Final = 10
"""That one question makes, beside one for each zone that was looked through in vain: between two questions, leases are renewed."""


class Shares:
    """For one ledger; to be asked by one thread at a time."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, Shard, str], int] = {}
        self._in_vain: set[tuple[int, Shard, str]] = set()
        self._statements = 0

    def due(self, db: Session, campaign: int, limit: int, terms: Terms) -> list[int] | None:
        """The numbers of rows to be claimed, at most so many, of the most urgent zone first; None if the next question may find some yet.

        Once a share was looked through in vain, only a part of it is each time; so what comes back to a long one is found some questions
        later.
        """
        ((zones, last),) = db.all("zones_and_last_row", campaign=campaign) or [((), None)]
        found: list[int] = []
        self._statements = 0
        for zone in zones if terms.zones is None else terms.zones:
            if len(found) < limit and last is not None:
                found += self._of_zone(db, (campaign, terms.shard, zone), limit - len(found), last)
        return found if found or self._statements < MOST_STATEMENTS else None

    def _of_zone(self, db: Session, key: tuple[int, Shard, str], limit: int, last: int) -> list[int]:
        campaign, shard, zone = key
        begin = first_row(shard)
        while key in self._in_vain or self._statements < MOST_STATEMENTS:
            self._statements += key not in self._in_vain
            first = self._next.get(key, begin)
            end = first + (MOST_AT_ONCE - 1) * shard.count
            values = {"campaign": campaign, "zone": zone, "first": first, "last": min(last, end), "shards": shard.count, "limit": limit}
            found = [row for (row,) in db.all("due_of_share", values)]
            after = shard.count + (found[-1] if len(found) == limit else end)
            self._next[key] = after if after <= last else begin
            if found:
                self._in_vain.discard(key)
                return found
            if key in self._in_vain:
                return []
            if after > last:
                self._in_vain.add(key)
                # Before where this pass began there may be some that came back meanwhile; the next questions come there.
                return []
        return []


def first_row(shard: Shard) -> int:
    """Rows count from 1, shares from 0."""
    return shard.index or shard.count
