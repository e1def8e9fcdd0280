"""The shared pace of `ledger.port.Ledger` on SQLite: the arithmetic is `domain.pacing`'s, one row a budget."""

from collections.abc import Callable
from dataclasses import asdict

import apsw

from campaign.domain.pacing import Pace, Slots, lease, make_room, pause, throttle
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, rows


class Budgets(Store):
    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def work(db: apsw.Connection) -> Slots:
            pace, slots = lease(_pace(db, key), now=self._clock.now(), rate_per_second=rate_per_second, want=want)
            if slots.count:
                db.execute(SQL["set_pace"], asdict(pace) | {"key": key})
            return slots

        return await self._writer.do(work)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda pace, now: throttle(pace, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda pace, now: pause(pace, now=now, seconds=seconds))

    async def make_room(self, key: str, *, share: float) -> None:
        await self._change(key, lambda pace, now: make_room(pace, now=now, share=share))

    async def _change(self, key: str, change: Callable[[Pace, float], Pace]) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(SQL["set_pace"], asdict(change(_pace(db, key), self._clock.now())) | {"key": key})

        await self._writer.do(work)


def _pace(db: apsw.Connection, key: str) -> Pace:
    found = rows(db, "pace", key=key)
    return Pace(**dict(zip(("next_free", "share", "paused_until", "changed_at"), found[0], strict=True))) if found else Pace()
