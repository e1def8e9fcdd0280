"""`ledger.port.Verification` on PostgreSQL."""

from typing import Any

from campaign.domain.model import Claim
from campaign.domain.status import Status
from campaign.domain.verdict import Latest, PassReading, Resolution
from campaign.ledger.clock import VERIFICATION_CLAIM_SECONDS
from campaign.ledger.port import Runner, UnverifiedRow
from campaign.ledger.postgres.base import Store, skip_if_cancelled
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.values import text
from campaign.ledger.values import REFERENCES_AFTER, unverified_row


class Verification(Store):
    async def claim_unverified(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        # This runs all the time, so nothing is written if no row is unverified.
        if not await self._writer.ask(lambda db: db.one("has_unverified", campaign=campaign)):
            return []
        return await self._writer.do(lambda db: _take(db, campaign, limit))

    async def claim_unverified_orphans(self, campaign: int, limit: int) -> list[UnverifiedRow]:
        others = [other for (other,) in await self._writer.ask(lambda db: db.all("campaigns_with_unverified", campaign=campaign))]

        def work(db: Session) -> list[UnverifiedRow]:
            found: list[UnverifiedRow] = []
            for other in others:
                found += _take(db, other, limit - len(found))
                if len(found) >= limit:
                    break
            return found

        return await self._writer.do(work) if others else []

    async def record_verification(self, unverified: UnverifiedRow, resolution: Resolution, *, again_in_seconds: float | None) -> bool:
        claim = unverified.claim
        match resolution.status:
            case Status.PENDING:
                due_in: float | None = 0.0
            case Status.UNKNOWN:
                due_in = again_in_seconds
            case _:
                due_in = None
        values: dict[str, Any] = {
            "campaign": claim.campaign,
            "row": claim.row,
            "fencing_token": claim.fencing_token,
            "held_until": unverified.held_until,
        }
        values |= {"status": resolution.status.value, "reason": text(resolution.reason), "due_in": due_in}

        def work(db: Session) -> bool:
            db.all("share_campaign", values)
            if db.one("record_verification", values) is None:
                return False
            if again_in_seconds is None:
                db.all("record_verified_attempt", values)
            skip_if_cancelled(db, claim.campaign)
            return True

        return await self._writer.do(work, together=True)

    async def reschedule_verification(self, campaign: int) -> int:
        return await self._writer.do(lambda db: db.count("reschedule_verification", campaign=campaign), seconds=LONG_SECONDS)

    async def reference_passes(self, campaign: int) -> list[tuple[str, str]]:
        def work(db: Session) -> list[tuple[Any, ...]]:
            return db.all("reference_passes", campaign=campaign, written_over=False) or db.all(
                "reference_passes", campaign=campaign, written_over=True
            )

        found = await self._writer.ask(work)
        # Only those of the first campaign and status.
        return [(pass_id, message) for *place, pass_id, message in found if place == list(found[0][:2])]

    async def reference_passes_after(self, unverified: UnverifiedRow) -> list[tuple[str, str]]:
        values = {"campaign": unverified.claim.campaign, "row": unverified.claim.row, "fencing_token": unverified.claim.fencing_token}

        def work(db: Session) -> list[tuple[str, str]]:
            asked = (db.all("reference_passes_after", values | which) for which in REFERENCES_AFTER)
            return next(filter(None, asked), [])

        return await self._writer.ask(work)

    async def record_baseline(self, runner: Runner, claim: Claim, reading: PassReading) -> None:
        values = {
            "campaign": claim.campaign,
            "row": claim.row,
            "fencing_token": claim.fencing_token,
            "runner": runner.id,
            "known": reading.latest in {Latest.TEXT, Latest.NULL},
            "text": text(reading.text) if reading.latest is Latest.TEXT else None,
            "pass_status": text(reading.pass_status),
            "device_type": text(reading.device_type),
        }
        await self._writer.do(lambda db: db.all("record_baseline", values), together=True)


def _take(db: Session, campaign: int, limit: int) -> list[UnverifiedRow]:
    taken = sorted(db.exact("claim_unverified", campaign=campaign, limit=limit, claim_seconds=VERIFICATION_CLAIM_SECONDS))
    if not taken:
        return []
    rows, fencing_tokens, _ids, keys = ([values[place] for values in taken] for place in range(4))
    others: dict[int, list[tuple[Any, ...]]] = {row: [] for row in rows}
    for row, *other in db.all("texts_before", campaign=campaign, rows=rows, fencing_tokens=fencing_tokens, pass_keys=keys):
        others[row].append(tuple(other))
    return [unverified_row(campaign, values, others[values[0]]) for values in taken]
