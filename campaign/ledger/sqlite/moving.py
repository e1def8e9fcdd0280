"""The part of `ledger.port.Ledger` on SQLite by which a campaign goes from one ledger to another, and is sent from one of them only."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import apsw
import orjson

from campaign.domain.errors import UsageError
from campaign.domain.model import Status
from campaign.ledger.port import CampaignRecord, RunnerRecord
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.rest import Rest, check_here, check_no_doubts
from campaign.ledger.sqlite.store import LEASE_SECONDS, exhaust, rows
from campaign.ledger.upkeep import HandedOver, MovedAttempt, MovedRow


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
            exhaust(db.executemany(SQL["take_in_row"], [_row(campaign, row, now) for row in moved]))
            exhaust(db.executemany(SQL["take_in_attempt"], [_attempt(campaign, made, self._moved_runners) for made in attempts]))

        await self._writer.do(work)

    async def finish_taking_in(self, campaign: int, record: CampaignRecord, before: HandedOver) -> None:
        def work(db: apsw.Connection) -> int:
            stager = db.execute("SELECT stager FROM campaigns WHERE id = ?", (campaign,)).get
            values = {"campaign": campaign, "stager": stager} | asdict(before)
            names = ("content_sha256", "created_at", "started_at", "finished_at", "ended")
            values |= {name: getattr(record, name) for name in names}
            found = db.execute(SQL["finish_taking_in"], values).fetchall() if stager in self._lifelines else []
            if not found:
                raise UsageError("The campaign was imported by another process meanwhile. Run the same command again.")
            if found[0][0] != record.rows:
                raise UsageError("The file lacks some of the campaign's rows; nothing was imported.")
            return int(stager)

        await self._sign_off(await self._writer.do(work), "imported")


def _row(campaign: int, moved: MovedRow, now: float) -> tuple[Any, ...]:
    row, outcome = moved.staged, moved.staged.outcome
    due_at = now + moved.due_in_seconds if moved.due_in_seconds is not None else None
    # What others have sent to the pass meanwhile, this ledger doesn't know: a person has it read back, as of a results file.
    due_at = None if outcome.status is Status.UNKNOWN else due_at
    return (
        *(campaign, row.row, row.pass_id, row.pass_key, row.message, orjson.dumps(row.cells).decode(), outcome.status.value),
        *(outcome.reason, outcome.attempts, moved.tries, outcome.notification_status, outcome.notification_message),
        *(outcome.http_status, outcome.error, outcome.sent_at, outcome.settled_at, outcome.latency_seconds),
        *(outcome.pass_status, outcome.device_type, row.zone, due_at, now + moved.quiet_seconds if moved.quiet_seconds else 0.0),
    )


def _attempt(campaign: int, made: MovedAttempt, runners: dict[int, int]) -> tuple[Any, ...]:
    return (
        *(campaign, made.row, made.pass_key, runners.get(made.runner, 0), made.status, made.reason, made.http_status),
        *(made.sent_at, made.settled_at, made.latency_seconds, made.message),
    )
