"""The shared pace of `ledger.port.Ledger` on SQLite: the arithmetic is `domain.pacing`'s, one row a budget."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import apsw

from campaign.domain.pacing import Pace, Slots, lease, make_room, pause, throttle
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, rows

_COLUMNS: Final = ("next_free", "share", "paused_until", "changed_at")


class Budgets(Store):
    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def work(db: apsw.Connection) -> Slots:
            now, leased_at = self._clock.now(), time.monotonic()
            pace, slots = lease(_pace(db, key), now=now, rate_per_second=rate_per_second, want=want)
            if slots.count:
                db.execute(SQL["set_pace"], _values(key, pace))
            return replace(slots, leased_at=leased_at)

        return await self._writer.do(work)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda pace, now: throttle(pace, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda pace, now: pause(pace, now=now, seconds=seconds))

    async def make_room(self, key: str, *, share: float) -> None:
        await self._change(key, lambda pace, now: make_room(pace, now=now, share=share))

    async def _change(self, key: str, change: Callable[[Pace, float], Pace]) -> None:
        def work(db: apsw.Connection) -> None:
            now = self._clock.now()
            db.execute(SQL["set_pace"], _values(key, change(_pace(db, key), now)))

        await self._writer.do(work)


def _pace(db: apsw.Connection, key: str) -> Pace:
    found = rows(db, "pace", key=key)
    return Pace(**dict(zip(_COLUMNS, found[0], strict=True))) if found else Pace()


def _values(key: str, pace: Pace) -> dict[str, Any]:
    # Not by `asdict`, which copies each number deeply: slots are leased several times a second.
    return {"key": key} | {column: getattr(pace, column) for column in _COLUMNS}
