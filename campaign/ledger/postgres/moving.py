"""The part of `ledger.port.Ledger` on PostgreSQL by which a campaign goes from one ledger to another, and is sent from one of them only."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from campaign.ledger import refusals
from campaign.ledger.moved import taken_in_attempt, taken_in_row, taken_in_wait
from campaign.ledger.periods import LEASE_SECONDS
from campaign.ledger.port import CampaignRecord, RunnerRecord
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.rest import Rest, check_here, check_no_doubts
from campaign.ledger.postgres.values import cleaned
from campaign.ledger.upkeep import HandedOver, MovedAttempt, MovedRow
from campaign.ledger.waiting import Wait


class Moving(Rest):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._moved_runners: dict[int, int] = {}

    async def hand_over(self, campaign: int, file: str) -> bool:
        def work(db: Session) -> bool:
            db.all("lock_campaign", campaign=campaign)
            if db.all("handed_over", campaign=campaign):
                return False
            check_here(db, campaign)
            self._check_idle(db, campaign)
            check_no_doubts(db, campaign)
            db.all("export", campaign=campaign, file=file)
            db.all("put_control", campaign=campaign, control="paused")
            return True

        return await self._line.do(work)

    async def take_back(self, campaign: int) -> None:
        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            for (control,) in db.all("take_back", campaign=campaign):
                db.all("put_control", campaign=campaign, control=control)

        await self._line.do(work)

    async def take_in_runners(self, campaign: int, runners: Sequence[RunnerRecord]) -> None:
        names = ("host", "pid", "username", "started_at", "ended_at", "ended", "rows_left", "rows_in_need")

        def work(db: Session) -> dict[int, int]:
            return {
                runner.id: int(db.one("take_in_runner", {name: getattr(runner, name) for name in names}, campaign=campaign))
                for runner in runners
            }

        self._moved_runners = await self._line.do(work)

    async def take_in(self, campaign: int, moved: Sequence[MovedRow], attempts: Sequence[MovedAttempt]) -> None:
        made = [cleaned(taken_in_attempt(campaign, one, self._moved_runners)) for one in attempts]

        def work(db: Session) -> None:
            db.all("share_campaign", campaign=campaign)
            if db.one("renew_stager", campaign=campaign, lease=LEASE_SECONDS) is None:
                raise refusals.imported_by_another()
            (now,) = db.run("SELECT campaign.ledger_now()").fetchall()[0]
            db.copy("take_in_rows", [cleaned(taken_in_row(campaign, row, now)) for row in moved])
            db.copy("take_in_attempts", [(*one[:2], 0, *one[2:]) for one in made])

        await self._line.do(work, seconds=LONG_SECONDS)

    async def finish_taking_in(self, campaign: int, record: CampaignRecord, before: HandedOver, waits: Sequence[Wait] = ()) -> None:
        names = ("content_sha256", "created_at", "started_at", "finished_at", "ended")
        values = {"campaign": campaign} | asdict(before) | {name: getattr(record, name) for name in names}

        def work(db: Session) -> int:
            db.all("lock_arrivals")
            db.all("lock_campaign", values)
            stager = db.one("stager_of", values)
            found = db.one("finish_taking_in", values, stager=stager) if stager in self._lifelines else None
            if found is None:
                raise refusals.imported_by_another()
            if found != record.rows:
                raise refusals.rows_lacking()
            db.copy("take_in_waits", [taken_in_wait(campaign, wait) for wait in waits])
            db.all("analyze")
            return int(stager)

        await self._sign_off(await self._line.do(work, seconds=LONG_SECONDS), "imported")
