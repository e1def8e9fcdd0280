"""`ledger.port.Ledger` on SQLite: each method is one transaction, or a few."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, Final

import apsw
import orjson

from campaign.domain.model import Claim, Settlement, Skip
from campaign.domain.pace.pacing import RateState, Slots, lower_rate, pause, reserve_slots, throttle
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import LEASE_SECONDS, ticks
from campaign.ledger.port import ANY_ROW, ClaimFilter, DesiredState, Runner
from campaign.ledger.process_lock import delete_stale
from campaign.ledger.records import CorrectedRow
from campaign.ledger.sqlite.base import exhaust, rows, skip_if_cancelled
from campaign.ledger.sqlite.batches import Batches
from campaign.ledger.sqlite.claims import claim_rows, settle_rows
from campaign.ledger.sqlite.connection import SQL, connect, errors_as_sentences, move_log
from campaign.ledger.sqlite.integrity import RollbackGuard, runners_folder
from campaign.ledger.sqlite.staging import Staging
from campaign.ledger.sqlite.verification import Verification
from campaign.ledger.values import as_json, filters

_COLUMNS: Final = ("next_free", "rate_factor", "paused_until", "changed_at")
PURGED_AT_ONCE: Final = 20_000


class SqliteLedger(Staging, Batches, Verification):
    """A ledger file, open for staging and sending."""

    async def register_runner(
        self, campaign: int, *, quiet_seconds: float, hold_unverified: bool = False, api: str = "", account: str = ""
    ) -> Runner:
        runner = await self._insert_runner(campaign, "sending", quiet_seconds=quiet_seconds, hold_unverified=hold_unverified)

        def work(db: apsw.Connection) -> None:
            ledger_errors.check_here(rows(db, "purged_or_exported", campaign=campaign)[0])
            values = {"campaign": campaign, "runner": runner, "wall": self._clock.wall(), "api": api, "account": account}
            ledger_errors.check_api(db.execute(SQL["start_campaign"], values).get, api)

        try:
            await self._writer.do(work)
        except BaseException:
            await self._end_runner(runner, "refused")
            raise
        return Runner(
            id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds, hold_unverified=hold_unverified
        )

    async def while_none_registers(self, campaign: int, work: Callable[[], None]) -> None:  # noqa: ARG002 - nothing can be written at all
        await self._writer.do(lambda _db: work())

    async def heartbeat(self, runner: Runner, activity: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            self._clock.stamp(db)
            values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
            return db.execute(SQL["heartbeat"], values | self._times()).fetchone() is not None

        return await self._writer.do(work)

    async def deregister_runner(self, runner: Runner, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            self._mark_unknown(db, runner.campaign, runner.id, quiet_seconds=runner.quiet_seconds, hold_unverified=runner.hold_unverified)
            db.execute(SQL["end_campaign"], {"campaign": runner.campaign, "ended": ended, "wall": self._clock.wall()})
            db.execute(SQL["record_rows_left"], {"campaign": runner.campaign, "runner": runner.id})

        await self._writer.do(work)
        await self._end_runner(runner.id, ended)

    async def reap_dead_runners(self, *, quiet_seconds: float) -> int:
        def work(db: apsw.Connection) -> tuple[int, list[int]]:
            lost, reaped = 0, []
            for runner, of_campaign, lease_until, own_quiet_seconds, hold_unverified in rows(db, "active_runners"):
                if runner in self._locks or not self._is_dead(runner, lease_until):
                    continue
                db.execute(SQL["deregister_runner"], {"runner": runner, "ended": "lost", "wall": self._clock.wall()})
                lost += self._mark_unknown(
                    db, of_campaign, runner, quiet_seconds=max(quiet_seconds, own_quiet_seconds), hold_unverified=bool(hold_unverified)
                )
                reaped.append(runner)
            return lost, reaped

        lost, reaped = await self._writer.do(work)
        for runner in reaped:
            delete_stale(runners_folder(self._path), runner)
        return lost

    def _mark_unknown(self, db: apsw.Connection, campaign: int, runner: int, *, quiet_seconds: float, hold_unverified: bool) -> int:
        values = {"campaign": campaign, "runner": runner, "quiet_seconds": quiet_seconds, "hold_unverified": hold_unverified}
        db.execute(SQL["record_unknown_attempts"], values | self._times())
        db.execute(SQL["mark_unknown"], values | self._times())
        lost = db.changes()
        db.execute(SQL["unassign_batches"], values)
        return lost

    async def set_desired_state(self, campaign: int, desired_state: DesiredState) -> None:
        def work(db: apsw.Connection) -> None:
            if desired_state is DesiredState.GO:
                ledger_errors.check_here(rows(db, "purged_or_exported", campaign=campaign)[0])
            values = {"campaign": campaign, "desired_state": desired_state.value, "wall": self._clock.wall()}
            if db.execute(SQL["set_desired_state"], values).fetchone() is None:
                raise ledger_errors.cannot_change_state()
            skip_if_cancelled(db, campaign)

        await self._writer.do(work)

    async def claim(self, runner: Runner, limit: int, terms: ClaimFilter = ANY_ROW) -> list[Claim]:
        if terms.zones == () or terms.only == ():
            return []
        return await self._writer.do(lambda db: claim_rows(db, runner, limit, terms, now=self._clock.now(), wall=self._clock.wall()))

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        values = [(campaign, key) for key in pass_keys]

        def work(db: apsw.Connection) -> None:
            db.execute(SQL["compare_ids_again"], {"campaign": campaign})
            exhaust(db.executemany(SQL["exclude"], values))

        await self._writer.do(work)

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, "apply_exclusions", campaign=campaign)))

    async def skip_pending(self, campaign: int, reason: Skip) -> int:
        return await self._writer.do(lambda db: len(rows(db, "skip_pending", campaign=campaign, reason=reason.value)))

    async def skip_rows(self, campaign: int, rows: Sequence[int], reason: Skip) -> int:
        def work(db: apsw.Connection) -> int:
            db.execute(SQL["skip_rows"], {"campaign": campaign, "reason": reason.value, "rows": as_json(rows)})
            return db.changes()

        return await self._writer.do(work)

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        def work(db: apsw.Connection) -> None:
            own = {"campaign": runner.campaign, "runner": runner.id, "now": self._clock.now()}
            exhaust(db.executemany(SQL["release"], [own | {"row": claim.row, "fencing_token": claim.fencing_token} for claim in claims]))
            skip_if_cancelled(db, runner.campaign)

        await self._writer.do(work)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        late = await self._writer.do(lambda db: settle_rows(db, runner, settlements, now=self._clock.now())) if settlements else set()
        seen: set[tuple[int, int]] = set()
        refused = []
        for settlement in settlements:
            key = (settlement.claim.row, settlement.claim.fencing_token)
            if key in late or key in seen:
                refused.append(settlement.claim)
            seen.add(key)
        return refused

    async def reserve_slots(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def work(db: apsw.Connection) -> Slots:
            now, leased_at = self._clock.now(), ticks()
            state, slots = reserve_slots(_rate_state(db, key), now=now, rate_per_second=rate_per_second, want=want)
            if slots.count:
                db.execute(SQL["set_rate_limit"], _rate_limit_values(key, state))
            return replace(slots, leased_at=leased_at)

        return await self._writer.do(work)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda state, now: throttle(state, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda state, now: pause(state, now=now, seconds=seconds))

    async def set_rate_factor(self, key: str, *, rate_factor: float) -> None:
        await self._change(key, lambda state, now: lower_rate(state, now=now, rate_factor=rate_factor))

    async def _change(self, key: str, change: Callable[[RateState, float], RateState]) -> None:
        def work(db: apsw.Connection) -> None:
            now = self._clock.now()
            db.execute(SQL["set_rate_limit"], _rate_limit_values(key, change(_rate_state(db, key), now)))

        await self._writer.do(work)

    async def retry(self, campaign: int, selection: Selection, since: int | None = None) -> int:
        values = {"campaign": campaign, "now": self._clock.now()} | filters(selection)

        def work(db: apsw.Connection) -> int:
            after = _last_attempt(db, campaign, since)
            count = sum(len(rows(db, "retry", status=status.value, after=after, **values)) for status in sorted(selection.statuses))
            return _opened(db, campaign, count, after)

        return await self._writer.do(work)

    async def end_retry(self, campaign: int) -> None:
        await self._writer.do(lambda db: exhaust(db.execute(SQL["end_retry"], {"campaign": campaign})))

    async def apply_corrections(
        self, campaign: int, corrected: Sequence[CorrectedRow], again: Sequence[int], statuses: frozenset[Status], since: int | None = None
    ) -> int:
        values = [_corrected(campaign, row) for row in corrected]

        def work(db: apsw.Connection) -> int:
            now, after = self._clock.now(), _last_attempt(db, campaign, since)
            changed = []
            for row in values:
                db.execute(SQL["keep_text"], {name: row[name] for name in ("campaign", "row", "message")})
                changed += [found for (found,) in rows(db, "correct", **row, now=now)]
            as_they_are = {"rows": as_json(again), "statuses": as_json(sorted(statuses)), "after": after}
            count = len(changed) + len(rows(db, "retry_rows", campaign=campaign, now=now, **as_they_are))
            if changed:
                # A row in a zone that the campaign does not list would never be claimed.
                db.execute(SQL["compare_ids_again"], {"campaign": campaign})
                db.execute(SQL["add_zones"], {"campaign": campaign, "zones": as_json(sorted({row.zone for row in corrected}))})
                count -= len(rows(db, "mark_corrected_duplicates", campaign=campaign, rows=as_json(changed)))
            return _opened(db, campaign, count, after)

        return await self._writer.do(work)

    async def purge(self, campaign: int) -> None:
        def begin(db: apsw.Connection) -> None:
            purged_at, exported_at, _ = rows(db, "purged_or_exported", campaign=campaign)[0]
            if purged_at is not None:
                return
            work, wall = rows(db, "pending_work", campaign=campaign)[0], self._clock.wall()
            last = rows(db, "last_change", campaign=campaign, wall=wall)[0][0]
            ledger_errors.check_ended(work, exported=exported_at is not None, unchanged_seconds=wall - last)
            db.execute(SQL["record_purged_counts"], {"campaign": campaign})
            db.execute(SQL["record_purge"], {"campaign": campaign, "wall": self._clock.wall()})
            db.execute(SQL["purge_columns"], {"campaign": campaign})

        await self._writer.do(begin)
        for statement in ("purge_rows", "purge_attempts", "purge_exclusions"):
            while await self._some(statement, campaign):
                pass
        await self._writer.do(lambda db: db.execute(SQL["finish_purge"], {"campaign": campaign}))
        await asyncio.to_thread(self._empty_wal)

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._writer.do(lambda db: len(rows(db, statement, campaign=campaign, limit=PURGED_AT_ONCE)))

    def _empty_wal(self) -> None:
        """Empty the log, which still holds the removed rows. The file itself does not (secure_delete)."""
        connection = connect(self._path)
        try:
            with errors_as_sentences(self._path), closing(RollbackGuard(self._path)) as guard, suppress(apsw.BusyError):
                move_log(connection, guard, mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()


def _last_attempt(db: apsw.Connection, campaign: int, since: int | None) -> int:
    return int(rows(db, "last_attempt", campaign=campaign, since=since)[0][0])


def _opened(db: apsw.Connection, campaign: int, reopened: int, after: int) -> int:
    """`reopened`, the number of rows that became pending; if there are any, the retry is open from now on."""
    if reopened:
        db.execute(SQL["open_retry"], {"campaign": campaign, "after": after})
    return reopened


def _rate_state(db: apsw.Connection, key: str) -> RateState:
    found = rows(db, "rate_limit", key=key)
    return RateState(**dict(zip(_COLUMNS, found[0], strict=True))) if found else RateState()


def _rate_limit_values(key: str, state: RateState) -> dict[str, Any]:
    # `asdict` is too slow, as it makes deep copies, and slots are leased several times a second.
    return {"key": key} | {column: getattr(state, column) for column in _COLUMNS}


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
