"""`ledger.port.Ledger` on SQLite: each method is one transaction, or a few."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, Final

import apsw
import orjson

from campaign.domain.model import Claim, Settlement, Skip, Status
from campaign.domain.pace.pacing import Pace, Slots, lease, make_room, pause, throttle
from campaign.ledger import ledger_errors
from campaign.ledger.clock import DAY_SECONDS, LEASE_SECONDS
from campaign.ledger.port import ANY_ROW, ClaimFilter, DesiredState, Runner
from campaign.ledger.process_lock import delete_stale
from campaign.ledger.records import CorrectedRow
from campaign.ledger.sqlite.base import exhaust, leave_out_if_cancelled, lock_dir, rows
from campaign.ledger.sqlite.batches import Batches
from campaign.ledger.sqlite.claims import claim_rows, settle_rows
from campaign.ledger.sqlite.connection import SQL, connect, errors_as_sentences, move_log
from campaign.ledger.sqlite.integrity import RollbackGuard
from campaign.ledger.sqlite.staging import Staging
from campaign.ledger.sqlite.verification import Verification
from campaign.ledger.values import as_json, filters

_COLUMNS: Final = ("next_free", "share", "paused_until", "changed_at")
FORGOTTEN_AT_ONCE: Final = 20_000


class SqliteLedger(Staging, Batches, Verification):
    """A ledger file, open for staging and sending."""

    async def register_runner(self, campaign: int, *, quiet_seconds: float, hold: bool = False, api: str = "", account: str = "") -> Runner:
        runner = await self._enlist(campaign, "sending", quiet_seconds=quiet_seconds, hold=hold)

        def work(db: apsw.Connection) -> None:
            _check_here(db, campaign)
            values = {"campaign": campaign, "runner": runner, "wall": self._clock.wall(), "api": api, "account": account}
            known = db.execute(SQL["start_campaign"], values).get
            if known is None:
                raise ledger_errors.replaced()
            if known != api:
                raise ledger_errors.other_api(known, api)

        try:
            await self._writer.do(work)
        except BaseException:
            await self._sign_off(runner, "refused")
            raise
        return Runner(id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds, hold=hold)

    async def heartbeat(self, runner: Runner, activity: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            self._clock.stamp(db)
            values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
            return db.execute(SQL["renew"], values | self._times()).fetchone() is not None

        return await self._writer.do(work)

    async def deregister_runner(self, runner: Runner, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            self._lose(db, runner.campaign, runner.id, quiet_seconds=runner.quiet_seconds, hold=runner.hold)
            db.execute(SQL["end_campaign"], {"campaign": runner.campaign, "ended": ended, "wall": self._clock.wall()})
            db.execute(SQL["note_rows_left"], {"campaign": runner.campaign, "runner": runner.id})

        await self._writer.do(work)
        await self._sign_off(runner.id, ended)

    async def reap_dead_runners(self, *, quiet_seconds: float) -> int:
        def work(db: apsw.Connection) -> tuple[int, list[int]]:
            lost, reaped = 0, []
            for runner, of_campaign, lease_until, own_quiet_seconds, hold in rows(db, "runners_at_work"):
                if runner in self._locks or not self._is_dead(runner, lease_until):
                    continue
                db.execute(SQL["dismiss"], {"runner": runner, "ended": "lost", "wall": self._clock.wall()})
                lost += self._lose(db, of_campaign, runner, quiet_seconds=max(quiet_seconds, own_quiet_seconds), hold=bool(hold))
                reaped.append(runner)
            return lost, reaped

        lost, reaped = await self._writer.do(work)
        for runner in reaped:
            delete_stale(lock_dir(self._path), runner)
        return lost

    def _lose(self, db: apsw.Connection, campaign: int, runner: int, *, quiet_seconds: float, hold: bool) -> int:
        values = {"campaign": campaign, "runner": runner, "quiet": quiet_seconds, "hold": hold}
        db.execute(SQL["record_lost"], values | self._times())
        db.execute(SQL["lose_rows"], values | self._times())
        lost = db.changes()
        db.execute(SQL["leave_batches"], values)
        return lost

    async def control(self, campaign: int, control: DesiredState) -> None:
        def work(db: apsw.Connection) -> None:
            if control is DesiredState.GO:
                _check_here(db, campaign)
            if db.execute(SQL["set_control"], {"campaign": campaign, "control": control.value}).fetchone() is None:
                raise ledger_errors.no_control()
            leave_out_if_cancelled(db, campaign)

        await self._writer.do(work)

    async def claim(self, runner: Runner, limit: int, terms: ClaimFilter = ANY_ROW) -> list[Claim]:
        if terms.zones == () or terms.only == ():
            return []
        return await self._writer.do(lambda db: claim_rows(db, runner, limit, terms, now=self._clock.now(), wall=self._clock.wall()))

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        values = [(campaign, key) for key in pass_keys]
        await self._writer.do(lambda db: exhaust(db.executemany(SQL["exclude"], values)))

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, "apply_exclusions", campaign=campaign)))

    async def skip_pending(self, campaign: int, reason: Skip) -> int:
        return await self._writer.do(lambda db: len(rows(db, "leave_out_pending", campaign=campaign, reason=reason.value)))

    async def skip_rows(self, campaign: int, rows: Sequence[int], reason: Skip) -> int:
        def work(db: apsw.Connection) -> int:
            db.execute(SQL["leave_out"], {"campaign": campaign, "reason": reason.value, "rows": as_json(rows)})
            return db.changes()

        return await self._writer.do(work)

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        def work(db: apsw.Connection) -> None:
            own = {"campaign": runner.campaign, "runner": runner.id, "now": self._clock.now()}
            exhaust(db.executemany(SQL["release"], [own | {"row": claim.row, "fence": claim.fence} for claim in claims]))
            leave_out_if_cancelled(db, runner.campaign)

        await self._writer.do(work)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        late = await self._writer.do(lambda db: settle_rows(db, runner, settlements, now=self._clock.now())) if settlements else set()
        seen: set[tuple[int, int]] = set()
        refused = []
        for settlement in settlements:
            key = (settlement.claim.row, settlement.claim.fence)
            if key in late or key in seen:
                refused.append(settlement.claim)
            seen.add(key)
        return refused

    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def work(db: apsw.Connection) -> Slots:
            now, leased_at = self._clock.now(), time.monotonic()
            pace, slots = lease(_pace(db, key), now=now, rate_per_second=rate_per_second, want=want)
            if slots.count:
                db.execute(SQL["set_pace"], _pace_values(key, pace))
            return replace(slots, leased_at=leased_at)

        return await self._writer.do(work)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda pace, now: throttle(pace, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda pace, now: pause(pace, now=now, seconds=seconds))

    async def set_rate_factor(self, key: str, *, share: float) -> None:
        await self._change(key, lambda pace, now: make_room(pace, now=now, share=share))

    async def _change(self, key: str, change: Callable[[Pace, float], Pace]) -> None:
        def work(db: apsw.Connection) -> None:
            now = self._clock.now()
            db.execute(SQL["set_pace"], _pace_values(key, change(_pace(db, key), now)))

        await self._writer.do(work)

    async def retry(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        values = {"campaign": campaign, "now": self._clock.now()} | filters(reasons, http_statuses)

        def work(db: apsw.Connection) -> int:
            return sum(len(rows(db, "retry", status=status.value, **values)) for status in sorted(statuses))

        return await self._writer.do(work)

    async def apply_corrections(
        self, campaign: int, corrected: Sequence[CorrectedRow], again: Sequence[int], statuses: frozenset[Status]
    ) -> int:
        values = [_corrected(campaign, row) for row in corrected]

        def work(db: apsw.Connection) -> int:
            now = self._clock.now()
            changed = []
            for row in values:
                db.execute(SQL["keep_text"], {name: row[name] for name in ("campaign", "row", "message")})
                changed += [found for (found,) in rows(db, "correct", **row, now=now)]
            as_they_are = {"rows": as_json(again), "statuses": as_json(sorted(statuses))}
            count = len(changed) + len(rows(db, "retry_rows", campaign=campaign, now=now, **as_they_are))
            if changed:
                # A row in a zone that the campaign does not list would never be claimed.
                db.execute(SQL["add_zones"], {"campaign": campaign, "zones": as_json(sorted({row.zone for row in corrected}))})
                count -= len(rows(db, "mark_corrected_duplicates", campaign=campaign, rows=as_json(changed)))
            return count

        return await self._writer.do(work)

    async def purge(self, campaign: int) -> None:
        def begin(db: apsw.Connection) -> None:
            if rows(db, "not_here", campaign=campaign)[0][0] is not None:
                return
            self._check_ended(db, campaign)
            db.execute(SQL["sum_up"], {"campaign": campaign})
            db.execute(SQL["begin_to_forget"], {"campaign": campaign, "wall": self._clock.wall()})
            db.execute(SQL["forget_columns"], {"campaign": campaign})

        await self._writer.do(begin)
        for statement in ("forget_rows", "forget_attempts", "forget_exclusions"):
            while await self._some(statement, campaign):
                pass
        await self._writer.do(lambda db: db.execute(SQL["cleaned"], {"campaign": campaign}))
        await asyncio.to_thread(self._empty_wal)

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, statement, campaign=campaign, limit=FORGOTTEN_AT_ONCE)))

    def _empty_wal(self) -> None:
        """Empty the log, which still holds the removed rows. The file itself does not (secure_delete)."""
        connection = connect(self._path)
        try:
            with errors_as_sentences(self._path), closing(RollbackGuard(self._path)) as guard, suppress(apsw.BusyError):
                move_log(connection, guard, mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()

    def _check_ended(self, db: apsw.Connection, campaign: int) -> None:
        """Check that the campaign has ended, and did not change for a day.

        Raises:
            UsageError: it has not ended, has rows in doubt, or changed since.
        """
        control, pending_at, sending, doubt_at = rows(db, "outlook", campaign=campaign)[0]
        exported = rows(db, "not_here", campaign=campaign)[0][1] is not None
        if control == "staging" or ((pending_at is not None or sending) and not exported):
            raise ledger_errors.not_ended()
        if sending or doubt_at is not None:
            raise ledger_errors.in_doubt()
        last = rows(db, "last_change", campaign=campaign, wall=self._clock.wall())[0][0]
        if self._clock.wall() - last < DAY_SECONDS:
            raise ledger_errors.too_young()


def _pace(db: apsw.Connection, key: str) -> Pace:
    found = rows(db, "pace", key=key)
    return Pace(**dict(zip(_COLUMNS, found[0], strict=True))) if found else Pace()


def _pace_values(key: str, pace: Pace) -> dict[str, Any]:
    # `asdict` is too slow, as it makes deep copies, and slots are leased several times a second.
    return {"key": key} | {column: getattr(pace, column) for column in _COLUMNS}


def _corrected(campaign: int, row: CorrectedRow) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "row": row.row,
        "pass_id": row.pass_id,
        "pass_key": row.pass_key,
        "message": row.message,
        "cells": orjson.dumps(row.cells).decode(),
        "zone": row.zone,
    }


def _check_here(db: apsw.Connection, campaign: int) -> None:
    """Check that this ledger may send the campaign.

    Raises:
        UsageError: it was purged, or exported by an earlier version.
    """
    forgotten_at, exported_at, file = rows(db, "not_here", campaign=campaign)[0]
    if refusal := ledger_errors.not_here(forgotten_at=forgotten_at, exported_at=exported_at, file=file):
        raise refusal
