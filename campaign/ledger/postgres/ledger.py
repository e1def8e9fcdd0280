"""`ledger.port.Ledger` on PostgreSQL: each method is one transaction, or a few.

A rate is updated without a lock: its row is read, and written only if it is still the same. So a process that is slow, frozen or cut off
keeps nobody waiting, and a process that was overtaken tries again.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Final, TypeVar

from campaign.domain.errors import LedgerError
from campaign.domain.ledger_identity import difference
from campaign.domain.model import Claim, Settlement, Skip
from campaign.domain.pace.pacing import RateState, Slots, lower_rate, pause, reserve_slots, throttle
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import LEASE_SECONDS, ticks
from campaign.ledger.port import ANY_ROW, ClaimFilter, DesiredState, Runner
from campaign.ledger.postgres.base import identity_here, skip_if_cancelled, stored_identity
from campaign.ledger.postgres.batches import Batches
from campaign.ledger.postgres.claims import claim_rows, settle_rows
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.staging import Staging
from campaign.ledger.postgres.values import corrected_columns, selected
from campaign.ledger.postgres.verification import Verification
from campaign.ledger.records import CorrectedRow

T = TypeVar("T")
MOST_TIMES: Final = 500
"""Whenever one process is overtaken, another has succeeded: this many times in a row are no accident."""

PURGED_AT_ONCE: Final = 20_000


class PostgresLedger(Staging, Batches, Verification):
    """A ledger in a database, open for staging and sending."""

    async def register_runner(
        self, campaign: int, *, quiet_seconds: float, hold_unverified: bool = False, api: str = "", account: str = ""
    ) -> Runner:
        runner = await self._insert_runner(campaign, "sending", quiet_seconds=quiet_seconds, hold_unverified=hold_unverified)

        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            ledger_errors.check_here(db.all("purged_or_exported", campaign=campaign)[0])
            ledger_errors.check_api(db.one("start_campaign", campaign=campaign, runner=runner, api=api, account=account), api)

        try:
            await self._writer.do(work)
        except BaseException:
            await self._end_runner(runner, "refused")
            raise
        return Runner(
            id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds, hold_unverified=hold_unverified
        )

    async def while_none_registers(self, campaign: int, work: Callable[[], None]) -> None:
        def locked(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            work()

        await self._writer.do(locked)

    async def move_here(self) -> None:
        def work(db: Session) -> None:
            known, here = stored_identity(db.all("place")), identity_here(db.all, self._address.name)
            if known is None or difference(known, here) is not None or (here.machine and not known.machine) or not known.created_ns:
                db.all("set_place", system=here.machine, database=here.inode, table_oid=here.created_ns, name=here.path)

        await self._writer.do(work)

    async def heartbeat(self, runner: Runner, activity: str) -> bool:
        values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
        return await self._quick.ask(lambda db: db.one("heartbeat", values) is not None)

    async def deregister_runner(self, runner: Runner, ended: str) -> None:
        values = {
            "campaign": runner.campaign,
            "runner": runner.id,
            "ended": ended,
            "quiet_seconds": runner.quiet_seconds,
            "hold_unverified": runner.hold_unverified,
        }

        def work(db: Session) -> None:
            # First, so that a running claim ends before the rest, and none begins after it.
            db.all("deregister_runner", values)
            db.all("mark_unknown", values)
            db.all("unassign_batches", values)
            db.all("end_campaign", values)
            db.all("record_rows_left", values)

        await self._writer.do(work, seconds=LONG_SECONDS)
        self._release_lock(runner.id)

    async def reap_dead_runners(self, *, quiet_seconds: float) -> int:
        found = await self._writer.ask(lambda db: db.all("active_runners"))
        at_work = [runner for runner in found if runner[0] not in self._locks]
        cut = [runner for runner, _campaign, boot, _late in at_work if self._machine.is_owner_dead(runner, boot)]
        late = [runner for runner, _campaign, _boot, late in at_work if late]

        def work(db: Session) -> tuple[int, list[int]]:
            lost, reaped = 0, []
            for runner, campaign, own_quiet_seconds, hold_unverified in db.all("reap", cut=cut, late=late, quiet_seconds=quiet_seconds):
                lost += db.count(
                    "mark_unknown", campaign=campaign, runner=runner, quiet_seconds=own_quiet_seconds, hold_unverified=hold_unverified
                )
                db.all("unassign_batches", campaign=campaign, runner=runner)
                reaped.append(runner)
            return lost, reaped

        # This runs all the time, so nothing is written if nobody is dead.
        lost, reaped = await self._writer.do(work) if cut or late else (0, [])
        for runner in reaped:
            self._machine.delete_stale(runner)
        return lost

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        values = {"campaign": runner.campaign, "runner": runner.id}
        given = {"rows": [claim.row for claim in claims], "fencing_tokens": [claim.fencing_token for claim in claims]}

        def work(db: Session) -> None:
            db.all("share_campaign", values)
            db.all("release", values, **given)
            skip_if_cancelled(db, runner.campaign)

        await self._writer.do(work, together=True)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        if not settlements:
            return []
        changed = await self._writer.do(lambda db: settle_rows(db, runner, settlements), together=True)
        refused = []
        for settlement in settlements:
            key = (settlement.claim.row, settlement.claim.fencing_token)
            if key not in changed:
                refused.append(settlement.claim)
            changed.discard(key)
        return refused

    async def set_desired_state(self, campaign: int, desired_state: DesiredState) -> None:
        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            if desired_state is DesiredState.GO:
                ledger_errors.check_here(db.all("purged_or_exported", campaign=campaign)[0])
            if db.one("set_desired_state", campaign=campaign, desired_state=desired_state.value) is None:
                raise ledger_errors.cannot_change_state()
            skip_if_cancelled(db, campaign)

        await self._writer.do(work, seconds=LONG_SECONDS)

    async def claim(self, runner: Runner, limit: int, terms: ClaimFilter = ANY_ROW) -> list[Claim]:
        if terms.zones == () or terms.only == ():
            return []
        return await self._quick.do(lambda db: claim_rows(db, runner, limit, terms))

    async def exclude(self, campaign: int, pass_keys: Sequence[str]) -> None:
        # In order, so that two processes that exclude the same passes never deadlock.
        keys = sorted(set(pass_keys))

        def work(db: Session) -> None:
            db.all("compare_ids_again", campaign=campaign)
            db.all("exclude", campaign=campaign, pass_keys=keys)

        await self._writer.do(work, seconds=LONG_SECONDS)

    async def apply_exclusions(self, campaign: int) -> int:
        return await self._writer.do(lambda db: db.count("apply_exclusions", campaign=campaign), seconds=LONG_SECONDS)

    async def skip_pending(self, campaign: int, reason: Skip) -> int:
        return await self._writer.do(lambda db: db.count("skip_pending", campaign=campaign, reason=reason.value), seconds=LONG_SECONDS)

    async def skip_rows(self, campaign: int, rows: Sequence[int], reason: Skip) -> int:
        def work(db: Session) -> int:
            return db.count("skip_rows", campaign=campaign, rows=sorted(rows), reason=reason.value)

        return await self._writer.do(work, seconds=LONG_SECONDS)

    async def reserve_slots(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def reserved(state: RateState, now: float) -> tuple[RateState, Slots]:
            # Read right after the database's time.
            leased_at = ticks()
            state, slots = reserve_slots(state, now=now, rate_per_second=rate_per_second, want=want)
            return state, replace(slots, leased_at=leased_at)

        return await self._update_rate(key, reserved)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        await self._change(key, lambda state, now: throttle(state, now=now, retry_after_seconds=retry_after_seconds))

    async def pause(self, key: str, *, seconds: float) -> None:
        await self._change(key, lambda state, now: pause(state, now=now, seconds=seconds))

    async def set_rate_factor(self, key: str, *, rate_factor: float) -> None:
        await self._change(key, lambda state, now: lower_rate(state, now=now, rate_factor=rate_factor))

    async def _change(self, key: str, change: Callable[[RateState, float], RateState]) -> None:
        await self._update_rate(key, lambda state, now: (change(state, now), None))

    async def _update_rate(self, key: str, change: Callable[[RateState, float], tuple[RateState, T]]) -> T:
        def work(db: Session) -> T:
            for _ in range(MOST_TIMES):
                *found, now = db.exact("rate_limit", key=key)[0]
                known = RateState() if found[0] is None else RateState(**dict(zip(asdict(RateState()), found, strict=True)))
                state, answer = change(known, now)
                if isinstance(answer, Slots) and not answer.count:
                    return answer
                was = {f"was_{name}": value for name, value in asdict(known).items()}
                if db.one("set_rate_limit", asdict(state) | was, key=key) is not None:
                    return answer
            raise LedgerError(
                "The ledger's rate limit is changed by others again and again. Run the same command again with fewer processes.",
                code="ledger_busy",
            )

        # If the answer to the last step is lost, a slice of slots stays unused, and none is used twice.
        return await self._quick.ask(work)

    async def retry(self, campaign: int, selection: Selection, since: int | None = None) -> int:
        values = {"campaign": campaign} | selected(selection)

        def work(db: Session) -> int:
            db.all("share_campaign", values)
            after = _last_attempt(db, campaign, since)
            return _opened(db, campaign, db.count("retry", values, after=after), after)

        return await self._writer.do(work, seconds=LONG_SECONDS)

    async def end_retry(self, campaign: int) -> None:
        def work(db: Session) -> None:
            # A retry that begins meanwhile is either seen, or begins after the end.
            db.all("lock_campaign", campaign=campaign)
            db.all("end_retry", campaign=campaign)

        await self._writer.do(work, seconds=LONG_SECONDS)

    async def apply_corrections(
        self, campaign: int, corrected: Sequence[CorrectedRow], again: Sequence[int], statuses: frozenset[Status], since: int | None = None
    ) -> int:
        values = corrected_columns(campaign, corrected)

        def work(db: Session) -> int:
            db.all("share_campaign", values)
            after = _last_attempt(db, campaign, since)
            db.all("keep_text", values)
            changed = [row for (row,) in db.all("correct", values)]
            count = len(changed) + db.count("retry_rows", campaign=campaign, rows=list(again), statuses=list(statuses), after=after)
            if changed:
                # A row in a zone that the campaign does not list would never be claimed.
                db.all("compare_ids_again", campaign=campaign)
                db.all("add_zones", values)
                count -= db.count("mark_corrected_duplicates", campaign=campaign, rows=changed)
            return _opened(db, campaign, count, after)

        return await self._writer.do(work, seconds=LONG_SECONDS)

    async def purge(self, campaign: int) -> None:
        def begin(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            purged_at, exported_at, _ = db.all("purged_or_exported", campaign=campaign)[0]
            if purged_at is not None:
                return
            _last, seconds_ago = db.all("last_change", campaign=campaign)[0]
            work = db.all("pending_work", campaign=campaign)[0]
            ledger_errors.check_ended(work, exported=exported_at is not None, unchanged_seconds=seconds_ago)
            db.all("record_purged_counts", campaign=campaign)
            db.all("record_purge", campaign=campaign)
            db.all("purge_columns", campaign=campaign)

        await self._writer.do(begin, seconds=LONG_SECONDS)
        for statement in ("purge_rows", "purge_attempts", "purge_exclusions"):
            while await self._some(statement, campaign):
                pass
        await self._writer.do(lambda db: db.all("finish_purge", campaign=campaign))

    async def _some(self, statement: str, campaign: int) -> int:
        return await self._writer.do(lambda db: db.count(statement, campaign=campaign, limit=PURGED_AT_ONCE), seconds=LONG_SECONDS)


def _last_attempt(db: Session, campaign: int, since: int | None) -> int:
    # An update does not see the attempts that are recorded while it works: it would take rows that another retry has sent meanwhile.
    db.all("lock_retries", campaign=campaign)
    return int(db.one("last_attempt", campaign=campaign, since=since))


def _opened(db: Session, campaign: int, reopened: int, after: int) -> int:
    """`reopened`, the number of rows that became pending; if there are any, the retry is open from now on."""
    if reopened:
        db.all("open_retry", campaign=campaign, after=after)
    return reopened
