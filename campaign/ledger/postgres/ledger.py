"""`ledger.port.Ledger` on PostgreSQL: each method is one transaction, or a few."""

from collections.abc import Sequence

from campaign.domain.model import Claim, Settlement, Status
from campaign.ledger import refusals
from campaign.ledger.periods import LEASE_SECONDS
from campaign.ledger.port import Control, Runner
from campaign.ledger.postgres.budgets import Budgets
from campaign.ledger.postgres.claiming import Claiming
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.doubts import Doubts
from campaign.ledger.postgres.keeping import Keeping
from campaign.ledger.postgres.mending import Mending
from campaign.ledger.postgres.rest import check_here
from campaign.ledger.postgres.staging import Staging
from campaign.ledger.postgres.store import leave_out_if_cancelled
from campaign.ledger.postgres.values import settled


class PostgresLedger(Staging, Claiming, Budgets, Doubts, Mending, Keeping):
    """A ledger in a database, open for staging and sending."""

    async def enlist(self, campaign: int, *, quiet_seconds: float, hold: bool = False, api: str = "", account: str = "") -> Runner:
        runner = await self._enlist(campaign, "sending", quiet_seconds=quiet_seconds, hold=hold)

        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            check_here(db, campaign)
            known = db.one("start_campaign", campaign=campaign, runner=runner, api=api, account=account)
            if known is None:
                raise refusals.gone()
            if known != api:
                raise refusals.other_api(known, api)

        try:
            await self._line.do(work)
        except BaseException:
            await self._sign_off(runner, "refused")
            raise
        return Runner(id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds, hold=hold)

    async def move_here(self) -> None:
        """Nothing: a database is one, wherever it is asked from."""

    async def renew(self, runner: Runner, activity: str) -> bool:
        values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
        return await self._quick.ask(lambda db: db.one("renew", values) is not None)

    async def dismiss(self, runner: Runner, ended: str) -> None:
        values = {"campaign": runner.campaign, "runner": runner.id, "ended": ended, "quiet": runner.quiet_seconds, "hold": runner.hold}

        def work(db: Session) -> None:
            # First, so that a claim that is under way ends before, and none comes after.
            db.all("dismiss", values)
            db.all("lose_rows", values)
            db.all("end_campaign", values)
            db.all("note_rows_left", values)

        await self._line.do(work, seconds=LONG_SECONDS)
        self._cut(runner.id)

    async def bury(self, *, quiet_seconds: float) -> int:
        found = await self._line.ask(lambda db: db.all("runners_at_work"))
        at_work = [runner for runner in found if runner[0] not in self._lifelines]
        cut = [runner for runner, _campaign, boot, _late in at_work if self._machine.is_cut(runner, boot)]
        late = [runner for runner, _campaign, _boot, late in at_work if late]

        def work(db: Session) -> tuple[int, list[int]]:
            lost, buried = 0, []
            for runner, campaign, quiet, hold in db.all("bury", cut=cut, late=late, quiet=quiet_seconds):
                lost += db.count("lose_rows", campaign=campaign, runner=runner, quiet=quiet, hold=hold)
                buried.append(runner)
            return lost, buried

        # Asked again and again; where nobody is dead, nothing is written.
        lost, buried = await self._line.do(work) if cut or late else (0, [])
        for runner in buried:
            self._machine.sweep(runner)
        return lost

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        values = {"campaign": runner.campaign, "runner": runner.id}
        given = {"rows": [claim.row for claim in claims], "fences": [claim.fence for claim in claims]}

        def work(db: Session) -> None:
            db.all("share_campaign", values)
            db.all("release", values, **given)
            leave_out_if_cancelled(db, runner.campaign)

        await self._line.do(work, together=True)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        by_claim = {(settlement.claim.row, settlement.claim.fence): settlement for settlement in reversed(settlements)}
        values = settled(runner, list(by_claim.values()))
        some_come_back = any(settlement.outcome.status is Status.PENDING for settlement in settlements)

        def work(db: Session) -> set[tuple[int, int]]:
            if some_come_back:
                db.all("share_campaign", values)
            changed = {(row, fence) for row, fence in db.all("settle", values)}
            if some_come_back:
                leave_out_if_cancelled(db, runner.campaign)
            return changed

        changed = await self._line.do(work, together=True) if settlements else set()
        return [one.claim for one in settlements if by_claim[one.claim.row, one.claim.fence] is not one or _key(one.claim) not in changed]

    async def control(self, campaign: int, control: Control) -> None:
        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            if control is Control.GO:
                check_here(db, campaign)
            if db.one("set_control", campaign=campaign, control=control.value) is None:
                raise refusals.no_control()
            leave_out_if_cancelled(db, campaign)

        await self._line.do(work, seconds=LONG_SECONDS)


def _key(claim: Claim) -> tuple[int, int]:
    return claim.row, claim.fence
