"""The claiming part of `ledger.port.Ledger` on SQLite: which rows may be sent now is decided in the transaction that takes them."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from campaign.domain.model import Claim, Skip
from campaign.ledger.periods import DAY_SECONDS
from campaign.ledger.port import ANYTHING, Runner, Terms
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, exhaust, rows


class Claiming(Store):
    async def claim(self, runner: Runner, limit: int, terms: Terms = ANYTHING) -> list[Claim]:
        def work(db: apsw.Connection) -> list[Claim]:
            zones = json.loads(rows(db, "zones", campaign=runner.campaign)[0][0]) if terms.zones is None else terms.zones
            claims: list[Claim] = []
            taken: set[str] = set()
            for zone in zones:
                if len(claims) < limit:
                    claims += self._of_zone(db, runner, limit - len(claims), terms, zone=zone, taken=taken)
            return claims

        if terms.zones == () or terms.only == ():
            return []
        return await self._writer.do(work)

    def _of_zone(self, db: apsw.Connection, runner: Runner, limit: int, terms: Terms, *, zone: str, taken: set[str]) -> list[Claim]:
        values: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "limit": limit, "zone": zone} | self._times()
        values |= {"shard": terms.shard.index, "shards": terms.shard.count}
        statement = "claim"
        if terms.only is not None:
            statement, values["only"] = "claim_of", json.dumps(terms.only)
        claims = []
        since = self._clock.wall() - DAY_SECONDS
        # SQLite promises no order for RETURNING.
        for row, fence, *own, key in sorted(rows(db, statement, **values)):
            this = {"campaign": runner.campaign, "row": row, "fence": fence}
            about = this | {"pass_key": key, "cap": terms.daily_cap, "since": since}
            if key in taken:
                db.execute(SQL["release"], this | {"runner": runner.id, "now": self._clock.now()})
            elif (reason := db.execute(SQL["reason_to_skip"], about).get) is not None:
                db.execute(SQL["leave_out"], this | {"reason": reason})
            else:
                taken.add(key)
                pass_id, message, attempts, tries, own_zone = own
                claims.append(Claim(**this, pass_id=pass_id, message=message, attempts=attempts, tries=tries, zone=own_zone))
        return claims

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        values = [(campaign, key) for key in pass_keys]
        await self._writer.do(lambda db: exhaust(db.executemany(SQL["exclude"], values)))

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, "apply_exclusions", campaign=campaign)))

    async def leave_out(self, campaign: int, reason: Skip) -> int:
        return await self._writer.do(lambda db: len(rows(db, "leave_out_pending", campaign=campaign, reason=reason.value)))
