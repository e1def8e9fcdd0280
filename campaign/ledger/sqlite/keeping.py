"""The part of `ledger.port.Ledger` on SQLite by which a campaign is forgotten."""

import asyncio
from typing import Final

import apsw

from campaign.ledger.sqlite.connection import SQL, connect, errors_as_sentences
from campaign.ledger.sqlite.rest import Rest
from campaign.ledger.sqlite.store import rows

FORGOTTEN_AT_ONCE: Final = 20_000


class Keeping(Rest):
    async def forget(self, campaign: int) -> None:
        def begin(db: apsw.Connection) -> None:
            if rows(db, "not_here", campaign=campaign)[0][0] is not None:
                return
            self._check_ended(db, campaign)
            db.execute(SQL["sum_up"], {"campaign": campaign})
            db.execute(SQL["begin_to_forget"], {"campaign": campaign, "wall": self._clock.wall()})
            db.execute(SQL["forget_columns"], {"campaign": campaign})

        await self._writer.do(begin)
        for statement in ("forget_rows", "forget_attempts", "forget_exclusions"):
            while await self._some(statement, campaign):
                pass
        await self._writer.do(lambda db: db.execute(SQL["cleaned"], {"campaign": campaign}))
        await asyncio.to_thread(self._empty_wal)

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, statement, campaign=campaign, limit=FORGOTTEN_AT_ONCE)))

    def _empty_wal(self) -> None:
        """The file holds nothing of what was removed (secure_delete); its log does until it is emptied, or the last process closes it."""
        connection = connect(self._path)
        try:
            with errors_as_sentences(self._path):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
