"""The settling part of `ledger.port.Ledger` on SQLite: how claims end, each group in three statements, however many they are."""

from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from campaign.domain.model import Claim, Settlement, Status
from campaign.ledger.port import Runner
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, exhaust, leave_out_if_cancelled, rows
from campaign.ledger.values import settled


class Settling(Store):
    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        def work(db: apsw.Connection) -> None:
            own = {"campaign": runner.campaign, "runner": runner.id, "now": self._clock.now()}
            exhaust(db.executemany(SQL["release"], [own | {"row": claim.row, "fence": claim.fence} for claim in claims]))
            leave_out_if_cancelled(db, runner.campaign)

        await self._writer.do(work)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        # Of two settlements of one claim the first counts.
        by_claim = {_key(settlement.claim): settlement for settlement in reversed(settlements)}

        def work(db: apsw.Connection) -> set[tuple[int, int]]:
            now = self._clock.now()
            given = orjson.dumps([settled(settlement, now) for settlement in by_claim.values()]).decode()
            values: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "settlements": given}
            db.execute(SQL["record_attempts"], values)
            late = set()
            if db.changes() < len(by_claim):
                late = {(row, fence) for row, fence in orjson.loads(rows(db, "late", **values)[0][0])}
            db.execute(SQL["settle"], values | {"quiet_until": now + runner.quiet_seconds})
            if any(settlement.outcome.status is Status.PENDING for settlement in settlements):
                leave_out_if_cancelled(db, runner.campaign)
            return late

        late = await self._writer.do(work) if settlements else set()
        return [one.claim for one in settlements if by_claim[_key(one.claim)] is not one or _key(one.claim) in late]


def _key(claim: Claim) -> tuple[int, int]:
    return claim.row, claim.fence
