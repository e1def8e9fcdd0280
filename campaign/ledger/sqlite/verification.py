"""`ledger.port.Verification` on SQLite."""

from itertools import product
from typing import Any

import apsw

from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading, Resolution
from campaign.ledger.clock import VERIFICATION_CLAIM_SECONDS
from campaign.ledger.port import Runner, UnverifiedRow
from campaign.ledger.sqlite.base import Store, rows, skip_if_cancelled
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.values import REFERENCES_AFTER, unverified_row


class Verification(Store):
    async def claim_unverified(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        return await self._writer.do(lambda db: self._take(db, campaign, limit))

    async def claim_unverified_orphans(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        def work(db: apsw.Connection) -> list[UnverifiedRow]:
            found: list[UnverifiedRow] = []
            for (other,) in rows(db, "campaigns_with_unverified", campaign=campaign, now=self._clock.now()):
                found += self._take(db, other, limit - len(found))
                if len(found) >= limit:
                    break
            return found

        return await self._writer.do(work)

    async def record_verification(self, unverified: UnverifiedRow, resolution: Resolution, *, again_in_seconds: float | None) -> bool:
        claim = unverified.claim

        def work(db: apsw.Connection) -> bool:
            match resolution.status:
                case Status.PENDING:
                    due_at: float | None = self._clock.now()
                case Status.UNKNOWN if again_in_seconds is not None:
                    due_at = self._clock.now() + again_in_seconds
                case _:
                    due_at = None
            values: dict[str, Any] = {
                "campaign": claim.campaign,
                "row": claim.row,
                "fencing_token": claim.fencing_token,
                "held_until": unverified.held_until,
                "wall": self._clock.wall(),
            }
            values |= {"status": resolution.status.value, "reason": resolution.reason, "due_at": due_at}
            if db.execute(SQL["record_verification"], values).fetchone() is None:
                return False
            if again_in_seconds is None:
                db.execute(SQL["record_verified_attempt"], values)
            skip_if_cancelled(db, claim.campaign)
            return True

        return await self._writer.do(work)

    async def reschedule_verification(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, "reschedule_verification", campaign=campaign, now=self._clock.now())))

    async def reference_passes(self, campaign: int) -> list[tuple[str, str]]:
        def work(db: apsw.Connection) -> list[tuple[str, str]]:
            others = [other for (other,) in rows(db, "campaigns_of_account", campaign=campaign)]
            for written_over, one, status in product((False, True), (campaign, *others), (Status.DELIVERED, Status.ACCEPTED)):
                if found := rows(db, "reference_passes", campaign=one, status=status.value, written_over=written_over):
                    return found
            return []

        return await self._writer.do(work)

    async def reference_passes_after(self, unverified: UnverifiedRow) -> list[tuple[str, str]]:
        values = {"campaign": unverified.claim.campaign, "row": unverified.claim.row, "fencing_token": unverified.claim.fencing_token}

        def work(db: apsw.Connection) -> list[tuple[str, str]]:
            asked = (rows(db, "reference_passes_after", **values, **which) for which in REFERENCES_AFTER)
            return next(filter(None, asked), [])

        return await self._writer.do(work)

    async def record_baseline(self, runner: Runner, claim: Claim, reading: PassReading) -> None:
        values = {
            "campaign": claim.campaign,
            "row": claim.row,
            "fencing_token": claim.fencing_token,
            "runner": runner.id,
            "known": reading.latest in {Latest.TEXT, Latest.NULL},
            "text": reading.text if reading.latest is Latest.TEXT else None,
            "pass_status": reading.pass_status,
            "device_type": reading.device_type,
        }
        await self._writer.do(lambda db: db.execute(SQL["record_baseline"], values))

    def _take(self, db: apsw.Connection, campaign: int, limit: int) -> list[UnverifiedRow]:
        values = {"campaign": campaign, "now": self._clock.now(), "claim_seconds": VERIFICATION_CLAIM_SECONDS, "limit": limit}
        return [self._unverified(db, campaign, row) for row in sorted(rows(db, "claim_unverified", **values))]

    @staticmethod
    def _unverified(db: apsw.Connection, campaign: int, values: tuple[Any, ...]) -> UnverifiedRow:
        row, fencing_token, _pass_id, pass_key, *_ = values
        return unverified_row(
            campaign, values, rows(db, "texts_before", campaign=campaign, row=row, fencing_token=fencing_token, pass_key=pass_key)
        )
