"""The claiming part of `ledger.port.Ledger` on PostgreSQL: which rows may be sent now is decided by the statement that takes them."""

from collections.abc import Sequence
from typing import Any

from campaign.domain.model import Claim, Skip, Status
from campaign.ledger.periods import DAY_SECONDS
from campaign.ledger.port import ANYTHING, Runner, Terms
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.store import Store


class Claiming(Store):
    async def claim(self, runner: Runner, limit: int, terms: Terms = ANYTHING) -> list[Claim]:
        only = terms.only
        if terms.zones == () or only == ():
            return []
        given: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "cap": terms.daily_cap, "cap_seconds": DAY_SECONDS}
        given |= {"only": None if only is None else list(only)}

        def work(db: Session) -> list[Claim]:
            db.all("lock_claims")
            allowed = db.one("may_claim", given)
            zones = allowed if allowed is None or terms.zones is None else terms.zones
            claims: list[Claim] = []
            for zone in zones or ():
                if len(claims) < limit:
                    # PostgreSQL promises no order for RETURNING.
                    taken = sorted(db.all("claim", given, zone=zone, limit=limit - len(claims)))
                    claims += [_claim(runner.campaign, values) for *values, status in taken if status == Status.SENDING]
            return claims

        return await self._quick.do(work)

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        # In order, so that two that exclude the same never wait for each other.
        keys = sorted(set(pass_keys))
        await self._line.do(lambda db: db.all("exclude", campaign=campaign, pass_keys=keys), seconds=LONG_SECONDS)

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._line.do(lambda db: db.count("apply_exclusions", campaign=campaign), seconds=LONG_SECONDS)

    async def leave_out(self, campaign: int, reason: Skip) -> int:
        return await self._line.do(lambda db: db.count("leave_out_pending", campaign=campaign, reason=reason.value), seconds=LONG_SECONDS)


def _claim(campaign: int, values: list[Any]) -> Claim:
    row, fence, pass_id, message, attempts, tries, zone, http_status, in_doubt = values
    return Claim(
        campaign=campaign,
        row=row,
        fence=fence,
        pass_id=pass_id,
        message=message,
        attempts=attempts,
        tries=tries,
        zone=zone,
        http_status=http_status,
        in_doubt=in_doubt,
    )
