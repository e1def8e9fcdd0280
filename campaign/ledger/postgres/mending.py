"""The part of `ledger.port.Ledger` on PostgreSQL by which people have rows sent again."""

from collections.abc import Sequence

from campaign.domain.model import Status
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.store import Store
from campaign.ledger.postgres.values import mended as given
from campaign.ledger.upkeep import MendedRow


class Mending(Store):
    async def retry(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        values = {"campaign": campaign, "statuses": list(statuses), "reasons": list(reasons), "http_statuses": list(http_statuses)}

        def work(db: Session) -> int:
            db.all("share_campaign", values)
            return db.count("retry", values)

        return await self._line.do(work, seconds=LONG_SECONDS)

    async def mend(self, campaign: int, mended: Sequence[MendedRow], again: Sequence[int], statuses: frozenset[Status]) -> int:
        values = given(campaign, mended)

        def work(db: Session) -> int:
            db.all("share_campaign", values)
            db.all("keep_text", values)
            changed = [row for (row,) in db.all("mend", values)]
            count = len(changed) + db.count("retry_rows", campaign=campaign, rows=list(again), statuses=list(statuses))
            if changed:
                # A row of a zone that the campaign doesn't name would never be claimed.
                db.all("add_zones", values)
                count -= db.count("mark_mended_duplicates", campaign=campaign, rows=changed)
            return count

        return await self._line.do(work, seconds=LONG_SECONDS)
