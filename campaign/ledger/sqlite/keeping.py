"""The part of `ledger.port.Ledger` on SQLite by which a campaign is forgotten, down to the bytes of the file."""

import asyncio
from typing import Final

import apsw

from campaign.domain.errors import LedgerError
from campaign.ledger.sqlite.connection import SQL, connect, errors_as_sentences
from campaign.ledger.sqlite.rest import Rest
from campaign.ledger.sqlite.store import rows

FORGOTTEN_AT_ONCE: Final = 20_000


class Keeping(Rest):
    async def forget(self, campaign: int) -> None:
        def begin(db: apsw.Connection) -> None:
            self._check_idle(db, None)
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

    async def clean(self) -> None:
        await asyncio.to_thread(self._clean)
        await self._writer.do(lambda db: db.execute(SQL["cleaned"]))

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, statement, campaign=campaign, limit=FORGOTTEN_AT_ONCE)))

    def _clean(self) -> None:
        """SQLite leaves what it removes where it was; only a file that is made anew, and a WAL cut to nothing, hold none of it."""
        connection = connect(self._path)
        try:
            with errors_as_sentences(self._path):
                connection.pragma("secure_delete", 1)
                connection.execute("VACUUM")
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
        if busy is None or busy[0]:
            raise LedgerError(
                f"What was forgotten is no longer in the ledger, but {self._path}-wal may still hold traces of it, as another program "
                "reads it. Close that program, then run the same command again.",
                code="traces_left",
            )
