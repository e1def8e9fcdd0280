"""Where the due rows of a share are: asked without holding anybody up, so that only who has found some waits for a turn to claim them.

Every number of the share is looked up by itself: going through all that is pending would be going through what is pending of all others.
Who has found some goes on from there, and begins again after the last.
"""

from typing import Final

from campaign.domain.shard import Shard
from campaign.ledger.port import Terms
from campaign.ledger.postgres.connection import Session

MOST_AT_ONCE: Final = 100_000
"""Numbers that are looked up for one answer: about a tenth of a second."""


class Shares:
    """For one ledger; to be asked by one thread at a time."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, Shard, str], int] = {}

    def due(self, db: Session, campaign: int, limit: int, terms: Terms) -> list[int]:
        """The numbers of rows to be claimed, at most so many, of the most urgent zone first.

        None may be returned though a row is due: then, in a long list, it is found by one of the next questions.
        """
        shard = terms.shard
        ((zones, last),) = db.all("zones_and_last_row", campaign=campaign) or [((), None)]
        found: list[int] = []
        for zone in zones if terms.zones is None else terms.zones:
            if len(found) < limit and last is not None:
                found += self._of_zone(db, (campaign, shard, zone), limit - len(found), last)
        return found

    def _of_zone(self, db: Session, key: tuple[int, Shard, str], limit: int, last: int) -> list[int]:
        campaign, shard, zone = key
        first = self._next.get(key, first_row(shard))
        end = first + (MOST_AT_ONCE - 1) * shard.count
        values = {"campaign": campaign, "zone": zone, "first": first, "last": min(last, end), "shards": shard.count, "limit": limit}
        found = [row for (row,) in db.all("due_of_share", values)]
        passed = found[-1] if len(found) == limit else end
        self._next[key] = passed + shard.count if passed + shard.count <= last else first_row(shard)
        return found


def first_row(shard: Shard) -> int:
    """Rows count from 1, shares from 0."""
    return shard.index or shard.count
