"""The settling part of `ledger.port.Ledger` on SQLite: how claims end. Few are settled one by one, many in three statements."""

from collections.abc import Sequence
from typing import Any, Final

import apsw
import orjson

from campaign.domain.model import Claim, Settlement, Status
from campaign.ledger.port import Runner
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, exhaust, leave_out_if_cancelled, rows
from campaign.ledger.values import settled

FEW: Final = 3
"""Up to so many are cheaper one by one; with more, Python's lock is waited for too often."""


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
            values = [settled(settlement, now) for settlement in by_claim.values()]
            end = _end_each if len(values) <= FEW else _end_all
            late = end(db, runner, values, quiet_until=now + runner.quiet_seconds)
            if any(settlement.outcome.status is Status.PENDING for settlement in settlements):
                leave_out_if_cancelled(db, runner.campaign)
            return late

        late = await self._writer.do(work) if settlements else set()
        return [one.claim for one in settlements if by_claim[_key(one.claim)] is not one or _key(one.claim) in late]


def _end_each(db: apsw.Connection, runner: Runner, values: list[tuple[Any, ...]], *, quiet_until: float) -> set[tuple[int, int]]:
    late = set()
    for one in values:
        whose = (*one, runner.campaign, runner.id)
        db.execute(SQL["record_one"], whose)
        if db.changes():
            db.execute(SQL["settle_one"], (*whose, quiet_until))
        else:
            late.add((one[0], one[1]))
    return late


def _end_all(db: apsw.Connection, runner: Runner, values: list[tuple[Any, ...]], *, quiet_until: float) -> set[tuple[int, int]]:
    whose: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "settlements": orjson.dumps(values).decode()}
    db.execute(SQL["record_attempts"], whose)
    late = set()
    if db.changes() < len(values):
        late = {(row, fence) for row, fence in orjson.loads(rows(db, "late", **whose)[0][0])}
    db.execute(SQL["settle"], whose | {"quiet_until": quiet_until})
    return late


def _key(claim: Claim) -> tuple[int, int]:
    return claim.row, claim.fence
