"""The claiming part of `ledger.port.Ledger` on SQLite: which rows may be sent now is decided in the transaction that takes them."""

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import apsw
import orjson

from campaign.domain.model import Claim, Skip
from campaign.ledger.periods import DAY_SECONDS
from campaign.ledger.port import ANYTHING, Runner, Terms
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, exhaust, rows
from campaign.ledger.values import as_json


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
        own = {"campaign": runner.campaign, "runner": runner.id} | self._times()
        where: dict[str, Any] = {"limit": limit, "zone": zone}
        statement = "due"
        if terms.only is not None:
            statement, where["only"] = "due_of", json.dumps(terms.only)
        due = rows(db, statement, **own, **where)[0][0]
        if due == "[]":
            return []
        since = self._clock.wall() - DAY_SECONDS
        found = orjson.loads(rows(db, "claimable", **own, rows=due, cap=terms.daily_cap, since=since)[0][0])
        claims: list[Claim] = []
        left_out: dict[str, list[int]] = {}
        for row, fence, *about, key, reason in sorted(found, key=itemgetter(0)):
            if reason is not None:
                left_out.setdefault(reason, []).append(row)
            elif key not in taken:
                taken.add(key)
                pass_id, message, attempts, tries, own_zone, http_status, in_doubt = about
                claims.append(
                    Claim(
                        campaign=runner.campaign,
                        row=row,
                        fence=fence,
                        pass_id=pass_id,
                        message=message,
                        attempts=attempts,
                        tries=tries,
                        zone=own_zone,
                        http_status=http_status,
                        in_doubt=bool(in_doubt),
                    )
                )
        for reason, numbers in left_out.items():
            db.execute(SQL["leave_out"], own | {"reason": reason, "rows": as_json(numbers)})
        db.execute(SQL["claim"], own | {"rows": as_json([claim.row for claim in claims])})
        return claims

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        values = [(campaign, key) for key in pass_keys]
        await self._writer.do(lambda db: exhaust(db.executemany(SQL["exclude"], values)))

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, "apply_exclusions", campaign=campaign)))

    async def leave_out(self, campaign: int, reason: Skip) -> int:
        return await self._writer.do(lambda db: len(rows(db, "leave_out_pending", campaign=campaign, reason=reason.value)))
