"""The part of `ledger.port.Ledger` on PostgreSQL that keeps when senders had to wait."""

from campaign.ledger.postgres.store import Store
from campaign.ledger.waiting import Why


class Waiting(Store):
    async def note_wait(self, campaign: int, why: Why, *, seconds: float) -> None:
        await self._line.do(lambda db: db.all("note_wait", campaign=campaign, why=why.value, seconds=max(0.0, seconds)))
