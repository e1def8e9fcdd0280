"""The part of `ledger.port.Ledger` on PostgreSQL by which a campaign is forgotten, down to the pages of its tables."""

from typing import Final

from campaign.domain.errors import LedgerError
from campaign.ledger.postgres.connection import LONG_SECONDS, SQL, Session
from campaign.ledger.postgres.rest import Rest

FORGOTTEN_AT_ONCE: Final = 20_000


class Keeping(Rest):
    async def forget(self, campaign: int) -> None:
        def begin(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            self._check_idle(db, None)
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

    async def clean(self) -> None:
        def work(db: Session) -> None:
            if not db.one("may_clean"):
                raise LedgerError(
                    "What was forgotten is no longer in the ledger, but its tables' pages may still hold traces of it, and only their "
                    "owner may write them anew. Have the owner run VACUUM (FULL) campaign.rows, campaign.attempts, campaign.exclusions, "
                    "campaign.campaigns; or run campaign forget with the owner's URL.",
                    code="traces_left",
                )
            db.run(SQL["clean"])
            db.all("cleaned")

        await self._line.ask(work, seconds=LONG_SECONDS)

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._line.do(lambda db: db.count(statement, campaign=campaign, limit=FORGOTTEN_AT_ONCE), seconds=LONG_SECONDS)
