"""The shared pace of `ledger.port.Ledger` on PostgreSQL: the arithmetic is `domain.pacing`'s, one row a budget.

Nobody locks the row while it is worked out: it is read, and written if it still is what was read. So a process that is slow, frozen or
cut off keeps nobody waiting, and who was overtaken works it out anew.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Final, TypeVar

from campaign.domain.errors import LedgerError
from campaign.domain.pacing import Pace, Slots, lease, make_room, pause, throttle
from campaign.ledger.postgres.connection import Session
from campaign.ledger.postgres.store import Store

T = TypeVar("T")

MOST_TIMES: Final = 500
"""Each time that somebody was overtaken, somebody else has succeeded: so often in a row is no accident."""


class Budgets(Store):
    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def leased(pace: Pace, now: float) -> tuple[Pace, Slots]:
            # Right after the database said what time it is.
            leased_at = time.monotonic()
            pace, slots = lease(pace, now=now, rate_per_second=rate_per_second, want=want)
            return pace, replace(slots, leased_at=leased_at)

        return await self._work_out(key, leased)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda pace, now: throttle(pace, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda pace, now: pause(pace, now=now, seconds=seconds))

    async def make_room(self, key: str, *, share: float) -> None:
        await self._change(key, lambda pace, now: make_room(pace, now=now, share=share))

    async def _change(self, key: str, change: Callable[[Pace, float], Pace]) -> None:
        await self._work_out(key, lambda pace, now: (change(pace, now), None))

    async def _work_out(self, key: str, change: Callable[[Pace, float], tuple[Pace, T]]) -> T:
        def work(db: Session) -> T:
            for _ in range(MOST_TIMES):
                *found, now = db.all("pace", key=key)[0]
                known = Pace() if found[0] is None else Pace(**dict(zip(asdict(Pace()), found, strict=True)))
                pace, answer = change(known, now)
                if isinstance(answer, Slots) and not answer.count:
                    return answer
                was = {f"was_{name}": value for name, value in asdict(known).items()}
                if db.one("set_pace", asdict(pace) | was, key=key) is not None:
                    return answer
            raise LedgerError(
                "The ledger's pace is changed by others again and again. Run the same command again with fewer processes.",
                code="ledger_busy",
            )

        # If the answer to the last step is lost, a slice of slots goes unused, and none is used twice.
        return await self._quick.ask(work)
