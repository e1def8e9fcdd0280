"""The part of `ledger.port.Ledger` on SQLite by which a campaign goes from one ledger to another, and is sent from one of them only."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import apsw

from campaign.ledger import refusals
from campaign.ledger.moved import taken_in_attempt, taken_in_row, taken_in_wait
from campaign.ledger.periods import LEASE_SECONDS
from campaign.ledger.port import CampaignRecord, RunnerRecord
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.rest import Rest, check_here, check_no_doubts
from campaign.ledger.sqlite.store import exhaust, rows
from campaign.ledger.upkeep import HandedOver, MovedAttempt, MovedRow
from campaign.ledger.waiting import Wait


class Moving(Rest):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._moved_runners: dict[int, int] = {}

    async def hand_over(self, campaign: int, file: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            if rows(db, "handed_over", campaign=campaign):
                return False
            check_here(db, campaign)
            self._check_idle(db, campaign)
            check_no_doubts(db, campaign)
            db.execute(SQL["export"], {"campaign": campaign, "file": file, "wall": self._clock.wall()})
            db.execute(SQL["put_control"], {"campaign": campaign, "control": "paused"})
            return True

        return await self._writer.do(work)

    async def take_back(self, campaign: int) -> None:
        def work(db: apsw.Connection) -> None:
            for (control,) in rows(db, "take_back", campaign=campaign):
                db.execute(SQL["put_control"], {"campaign": campaign, "control": control})

        await self._writer.do(work)

    async def take_in_runners(self, campaign: int, runners: Sequence[RunnerRecord]) -> None:
        names = ("host", "pid", "username", "started_at", "ended_at", "ended", "rows_left", "rows_in_need")

        def work(db: apsw.Connection) -> dict[int, int]:
            found = {}
            for runner in runners:
                values = {name: getattr(runner, name) for name in names} | {"campaign": campaign}
                found[runner.id] = int(db.execute(SQL["take_in_runner"], values).get)
            return found

        self._moved_runners = await self._writer.do(work)

    async def take_in(self, campaign: int, moved: Sequence[MovedRow], attempts: Sequence[MovedAttempt]) -> None:
        def work(db: apsw.Connection) -> None:
            now = self._clock.now()
            db.execute(SQL["renew_stager"], {"campaign": campaign, "now": now, "lease": LEASE_SECONDS})
            exhaust(db.executemany(SQL["take_in_row"], [taken_in_row(campaign, row, now) for row in moved]))
            exhaust(db.executemany(SQL["take_in_attempt"], [taken_in_attempt(campaign, made, self._moved_runners) for made in attempts]))

        await self._writer.do(work)

    async def finish_taking_in(self, campaign: int, record: CampaignRecord, before: HandedOver, waits: Sequence[Wait] = ()) -> None:
        def work(db: apsw.Connection) -> int:
            stager = db.execute("SELECT stager FROM campaigns WHERE id = ?", (campaign,)).get
            values = {"campaign": campaign, "stager": stager} | asdict(before)
            names = ("content_sha256", "created_at", "started_at", "finished_at", "ended")
            values |= {name: getattr(record, name) for name in names}
            found = db.execute(SQL["finish_taking_in"], values).fetchall() if stager in self._lifelines else []
            if not found:
                raise refusals.imported_by_another()
            if found[0][0] != record.rows:
                raise refusals.rows_lacking()
            exhaust(db.executemany(SQL["take_in_wait"], [taken_in_wait(campaign, wait) for wait in waits]))
            return int(stager)

        await self._sign_off(await self._writer.do(work), "imported")
