"""`ledger.port.Ledger` on SQLite: each method is one function on the writer's connection."""

import apsw

from campaign.ledger import refusals
from campaign.ledger.liveness import sweep
from campaign.ledger.periods import LEASE_SECONDS
from campaign.ledger.port import Control, Runner
from campaign.ledger.sqlite.budgets import Budgets
from campaign.ledger.sqlite.claiming import Claiming
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.doubts import Doubts
from campaign.ledger.sqlite.keeping import Keeping
from campaign.ledger.sqlite.mending import Mending
from campaign.ledger.sqlite.reader import lifelines
from campaign.ledger.sqlite.rest import check_here
from campaign.ledger.sqlite.settling import Settling
from campaign.ledger.sqlite.staging import Staging
from campaign.ledger.sqlite.store import leave_out_if_cancelled, rows


class SqliteLedger(Staging, Claiming, Settling, Budgets, Doubts, Mending, Keeping):
    """A ledger file, open for staging and sending."""

    async def enlist(self, campaign: int, *, quiet_seconds: float, hold: bool = False, api: str = "", account: str = "") -> Runner:
        runner = await self._enlist(campaign, "sending", quiet_seconds=quiet_seconds, hold=hold)

        def work(db: apsw.Connection) -> None:
            check_here(db, campaign)
            values = {"campaign": campaign, "runner": runner, "wall": self._clock.wall(), "api": api, "account": account}
            known = db.execute(SQL["start_campaign"], values).get
            if known is None:
                raise refusals.gone()
            if known != api:
                raise refusals.other_api(known, api)

        try:
            await self._writer.do(work)
        except BaseException:
            await self._sign_off(runner, "refused")
            raise
        return Runner(id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds, hold=hold)

    async def renew(self, runner: Runner, activity: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            self._clock.stamp(db)
            values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
            return db.execute(SQL["renew"], values | self._times()).fetchone() is not None

        return await self._writer.do(work)

    async def dismiss(self, runner: Runner, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            self._lose(db, runner.campaign, runner.id, quiet_seconds=runner.quiet_seconds, hold=runner.hold)
            db.execute(SQL["end_campaign"], {"campaign": runner.campaign, "ended": ended, "wall": self._clock.wall()})
            db.execute(SQL["note_rows_left"], {"campaign": runner.campaign, "runner": runner.id})

        await self._writer.do(work)
        await self._sign_off(runner.id, ended)

    async def bury(self, *, quiet_seconds: float) -> int:
        def work(db: apsw.Connection) -> tuple[int, list[int]]:
            lost, buried = 0, []
            for runner, of_campaign, lease_until, own_quiet_seconds, hold in rows(db, "runners_at_work"):
                if runner in self._lifelines or not self._is_dead(runner, lease_until):
                    continue
                db.execute(SQL["dismiss"], {"runner": runner, "ended": "lost", "wall": self._clock.wall()})
                lost += self._lose(db, of_campaign, runner, quiet_seconds=max(quiet_seconds, own_quiet_seconds), hold=bool(hold))
                buried.append(runner)
            return lost, buried

        lost, buried = await self._writer.do(work)
        for runner in buried:
            sweep(lifelines(self._path), runner)
        return lost

    def _lose(self, db: apsw.Connection, campaign: int, runner: int, *, quiet_seconds: float, hold: bool) -> int:
        values = {"campaign": campaign, "runner": runner, "quiet": quiet_seconds, "hold": hold}
        db.execute(SQL["record_lost"], values | self._times())
        db.execute(SQL["lose_rows"], values | self._times())
        return db.changes()

    async def control(self, campaign: int, control: Control) -> None:
        def work(db: apsw.Connection) -> None:
            if control is Control.GO:
                check_here(db, campaign)
            if db.execute(SQL["set_control"], {"campaign": campaign, "control": control.value}).fetchone() is None:
                raise refusals.no_control()
            leave_out_if_cancelled(db, campaign)

        await self._writer.do(work)
