"""The part of `ledger.port.Ledger` on SQLite that keeps when senders had to wait."""

import apsw

from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, rows
from campaign.ledger.waiting import Why


class Waiting(Store):
    async def note_wait(self, campaign: int, why: Why, *, seconds: float) -> None:
        await self._writer.do(lambda db: self._note_wait(db, campaign, why, seconds))

    def _note_wait_of_all(self, db: apsw.Connection, account: str, why: Why, seconds: float) -> None:
        """Of every campaign that is being sent with an account: they all wait."""
        for (campaign,) in rows(db, "waiting_with", account=account):
            self._note_wait(db, campaign, why, seconds)

    def _note_wait(self, db: apsw.Connection, campaign: int, why: Why, seconds: float) -> None:
        values = {"campaign": campaign, "why": why.value, "wall": self._clock.wall(), "seconds": max(0.0, seconds)}
        db.execute(SQL["note_wait"], values)
