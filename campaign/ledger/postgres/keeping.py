"""The part of `ledger.port.Ledger` on PostgreSQL by which a campaign is forgotten."""

from typing import Final

from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.rest import Rest

FORGOTTEN_AT_ONCE: Final = 20_000


class Keeping(Rest):
    async def forget(self, campaign: int) -> None:
        def begin(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            if db.one("not_here", campaign=campaign) is not None:
                return
            self._check_ended(db, campaign)
            db.all("sum_up", campaign=campaign)
            db.all("begin_to_forget", campaign=campaign)
            db.all("forget_columns", campaign=campaign)

        await self._line.do(begin, seconds=LONG_SECONDS)
        for statement in ("forget_rows", "forget_attempts", "forget_exclusions"):
            while await self._some(statement, campaign):
                pass
        await self._line.do(lambda db: db.all("cleaned", campaign=campaign))

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._line.do(lambda db: db.count(statement, campaign=campaign, limit=FORGOTTEN_AT_ONCE), seconds=LONG_SECONDS)
