"""`ledger.port.Ledger` on SQLite: each method is one function on the writer's connection."""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import apsw

from campaign.domain.errors import UsageError
from campaign.domain.model import Claim, Settlement, StagedRow, Status
from campaign.domain.pacing import Pace, Slots, lease, throttle
from campaign.domain.verdict import Conclusion
from campaign.ledger.clock import Clock, SystemClock
from campaign.ledger.liveness import Lifeline, is_cut, sweep
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control, Doubt, Runner
from campaign.ledger.sqlite.connection import SQL, SqliteClock, connect, errors_as_sentences, prepare
from campaign.ledger.sqlite.reader import lifelines
from campaign.ledger.sqlite.values import attempt, record, settled, staged
from campaign.ledger.sqlite.writer import Writer

LEASE_SECONDS: Final = 30.0
DISCARDED_AT_ONCE: Final = 20_000


class SqliteLedger:
    """A ledger file, open for staging and sending.

    Args:
        path: the file; made if there is none.
        clock: the machine's, or a test's.
        host: what names this machine to people.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None, host: str | None = None) -> None:
        prepare(path)
        self._path = path
        self._host = host or socket.gethostname()
        self._lifelines: dict[int, Lifeline] = {}
        connection = connect(path)
        with errors_as_sentences(path):
            connection.execute("BEGIN IMMEDIATE")
            self._clock = SqliteClock(connection, clock or SystemClock())
            self._clock.stamp(connection)
            connection.execute("COMMIT")
        self._writer = Writer(connection, path)

    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        runner = await self._enlist(0, "staging")

        def work(db: apsw.Connection) -> CampaignRecord:
            if db.execute(SQL["campaign_by_name"], {"name": spec.name}).fetchone() is not None:
                raise UsageError(f"There is a campaign named “{spec.name}” already. Choose another --name.")
            values = asdict(spec) | {"columns": json.dumps(spec.columns), "settings": json.dumps(spec.settings)}
            campaign = db.execute(SQL["create_campaign"], values | {"stager": runner, "wall": self._clock.wall()}).get
            db.execute(SQL["adopt"], {"campaign": campaign, "runner": runner})
            return record(_rows(db, "campaign_by_name", name=spec.name)[0])

        try:
            return await self._writer.do(work)
        except BaseException:
            await self._sign_off(runner, "refused")
            raise

    async def stage(self, campaign: int, rows: Sequence[StagedRow]) -> None:
        values = [staged(campaign, row) for row in rows]

        def work(db: apsw.Connection) -> None:
            db.execute(SQL["renew_stager"], {"campaign": campaign, "now": self._clock.now(), "lease": LEASE_SECONDS})
            _exhaust(db.executemany(SQL["stage"], values))

        await self._writer.do(work)

    async def finish_staging(self, campaign: int, *, content_sha256: str) -> None:
        def work(db: apsw.Connection) -> int:
            stager = db.execute("SELECT stager FROM campaigns WHERE id = ?", (campaign,)).get
            db.execute(SQL["mark_duplicates"], {"campaign": campaign})
            values = {"campaign": campaign, "content_sha256": content_sha256, "stager": stager}
            if stager not in self._lifelines or db.execute(SQL["finish_staging"], values).fetchone() is None:
                raise UsageError("The list was staged by another process meanwhile. Run the same command again.")
            return int(stager)

        await self._sign_off(await self._writer.do(work), "staged")

    async def discard(self, campaign: int) -> None:
        stagers = await self._writer.do(lambda db: _rows(db, "stager", campaign=campaign))
        for stager, lease_until, ended_at in stagers:
            if not ended_at and stager not in self._lifelines and not self._is_dead(stager, lease_until):
                raise UsageError("Another process is staging this list. Wait for it, or stop it, then run the same command again.")
        values = {"campaign": campaign, "limit": DISCARDED_AT_ONCE}
        while await self._writer.do(lambda db: len(_rows(db, "discard_rows", **values))):
            pass
        await self._writer.do(lambda db: db.execute(SQL["discard_campaign"], {"campaign": campaign}))
        for stager, *_ in stagers:
            await self._sign_off(stager, "discarded")

    def _is_dead(self, runner: int, lease_until: float) -> bool:
        return bool(is_cut(lifelines(self._path), runner)) or lease_until < self._clock.now()

    async def enlist(self, campaign: int, *, quiet_seconds: float) -> Runner:
        runner = await self._enlist(campaign, "sending")
        await self._writer.do(lambda db: db.execute(SQL["start_campaign"], {"campaign": campaign, "wall": self._clock.wall()}))
        return Runner(id=runner, campaign=campaign, lease_seconds=LEASE_SECONDS, quiet_seconds=quiet_seconds)

    async def _enlist(self, campaign: int, activity: str) -> int:
        def work(db: apsw.Connection) -> int:
            values = {"campaign": campaign, "host": self._host, "pid": os.getpid(), "activity": activity, "lease": LEASE_SECONDS}
            runner = int(db.execute(SQL["enlist"], values | self._times()).get)
            # Inside the transaction: nobody may ever see the runner without its lifeline.
            self._lifelines[runner] = Lifeline(lifelines(self._path), runner)
            return runner

        return await self._writer.do(work)

    async def renew(self, runner: Runner, activity: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            self._clock.stamp(db)
            values = {"runner": runner.id, "activity": activity, "lease": LEASE_SECONDS}
            return db.execute(SQL["renew"], values | self._times()).fetchone() is not None

        return await self._writer.do(work)

    async def dismiss(self, runner: Runner, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            self._lose(db, runner.campaign, runner.id, quiet_seconds=runner.quiet_seconds)
            db.execute(SQL["end_campaign"], {"campaign": runner.campaign, "ended": ended, "wall": self._clock.wall()})

        await self._writer.do(work)
        await self._sign_off(runner.id, ended)

    async def _sign_off(self, runner: int, ended: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(SQL["dismiss"], {"runner": runner, "ended": ended, "wall": self._clock.wall()})

        await self._writer.do(work)
        if lifeline := self._lifelines.pop(runner, None):
            lifeline.cut()

    async def bury(self, *, quiet_seconds: float) -> int:
        def work(db: apsw.Connection) -> tuple[int, list[int]]:
            lost, buried = 0, []
            for runner, of_campaign, _host, lease_until in _rows(db, "runners_at_work"):
                if runner in self._lifelines or not self._is_dead(runner, lease_until):
                    continue
                db.execute(SQL["dismiss"], {"runner": runner, "ended": "lost", "wall": self._clock.wall()})
                lost += self._lose(db, of_campaign, runner, quiet_seconds=quiet_seconds)
                buried.append(runner)
            return lost, buried

        lost, buried = await self._writer.do(work)
        for runner in buried:
            sweep(lifelines(self._path), runner)
        return lost

    def _lose(self, db: apsw.Connection, campaign: int, runner: int, *, quiet_seconds: float) -> int:
        values = {"campaign": campaign, "runner": runner, "quiet": quiet_seconds}
        lost = _rows(db, "lose_rows", **values, **self._times())
        ended = self._clock.wall()
        history = [
            (campaign, row, fence, key, runner, "unknown", "lost", None, claimed_at, ended, None) for row, fence, key, claimed_at in lost
        ]
        _exhaust(db.executemany(SQL["record_attempt"], history))
        return len(lost)

    async def claim(self, runner: Runner, limit: int) -> list[Claim]:
        values: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "limit": limit}

        def work(db: apsw.Connection) -> list[Claim]:
            # SQLite promises no order for RETURNING.
            return [
                Claim(campaign=runner.campaign, row=row, fence=fence, pass_id=pass_id, message=message, attempts=attempts, tries=tries)
                for row, fence, pass_id, message, attempts, tries in sorted(db.execute(SQL["claim"], values | self._times()))
            ]

        return await self._writer.do(work)

    async def release(self, runner: Runner, claims: Sequence[Claim]) -> None:
        def work(db: apsw.Connection) -> None:
            own = {"campaign": runner.campaign, "runner": runner.id, "now": self._clock.now()}
            _exhaust(db.executemany(SQL["release"], [own | {"row": claim.row, "fence": claim.fence} for claim in claims]))
            self._leave_out_if_cancelled(db, runner.campaign)

        await self._writer.do(work)

    async def settle(self, runner: Runner, settlements: Sequence[Settlement]) -> list[Claim]:
        def work(db: apsw.Connection) -> list[Claim]:
            now = self._clock.now()
            values = [settled(settlement, runner.id, now) for settlement in settlements]
            keys = {row: key for row, _fence, key in db.executemany(SQL["settle"], values)}
            history = [
                attempt(settlement, runner.id, keys[settlement.claim.row]) for settlement in settlements if settlement.claim.row in keys
            ]
            _exhaust(db.executemany(SQL["record_attempt"], history))
            if any(settlement.outcome.status is Status.PENDING for settlement in settlements):
                self._leave_out_if_cancelled(db, runner.campaign)
            return [settlement.claim for settlement in settlements if settlement.claim.row not in keys]

        return await self._writer.do(work)

    async def doubts(self, campaign: int, limit: int) -> list[Doubt]:
        def work(db: apsw.Connection) -> list[Doubt]:
            return [_doubt(db, campaign, row) for row in _rows(db, "doubts", campaign=campaign, now=self._clock.now(), limit=limit)]

        return await self._writer.do(work)

    async def conclude(self, doubt: Doubt, conclusion: Conclusion, *, again_in_seconds: float | None) -> bool:
        claim = doubt.claim

        def work(db: apsw.Connection) -> bool:
            match conclusion.status:
                case Status.PENDING:
                    due_at: float | None = self._clock.now()
                case Status.UNKNOWN if again_in_seconds is not None:
                    due_at = self._clock.now() + again_in_seconds
                case _:
                    due_at = None
            values: dict[str, Any] = {"campaign": claim.campaign, "row": claim.row, "fence": claim.fence, "wall": self._clock.wall()}
            values |= {"status": conclusion.status.value, "reason": conclusion.reason, "due_at": due_at}
            if db.execute(SQL["conclude"], values).fetchone() is None:
                return False
            db.execute(SQL["conclude_attempt"], values)
            self._leave_out_if_cancelled(db, claim.campaign)
            return True

        return await self._writer.do(work)

    async def recheck(self, campaign: int) -> int:
        return await self._writer.do(lambda db: len(_rows(db, "recheck", campaign=campaign, now=self._clock.now())))

    async def lease(self, key: str, *, rate_per_second: float, want: int) -> Slots:
        def work(db: apsw.Connection) -> Slots:
            pace, slots = lease(_pace(db, key), now=self._clock.now(), rate_per_second=rate_per_second, want=want)
            if slots.count:
                db.execute(SQL["set_pace"], asdict(pace) | {"key": key})
            return slots

        return await self._writer.do(work)

    async def throttle(self, key: str, *, retry_after_seconds: float | None) -> None:
        def work(db: apsw.Connection) -> None:
            pace = throttle(_pace(db, key), now=self._clock.now(), retry_after_seconds=retry_after_seconds)
            db.execute(SQL["set_pace"], asdict(pace) | {"key": key})

        await self._writer.do(work)

    async def control(self, campaign: int, control: Control) -> None:
        def work(db: apsw.Connection) -> None:
            if db.execute(SQL["set_control"], {"campaign": campaign, "control": control.value}).fetchone() is None:
                raise UsageError("The campaign is cancelled, or its list is still being staged; nothing was changed.")
            self._leave_out_if_cancelled(db, campaign)

        await self._writer.do(work)

    async def retry(self, campaign: int, statuses: frozenset[Status]) -> int:
        def work(db: apsw.Connection) -> int:
            return sum(
                len(db.execute(SQL["retry"], {"campaign": campaign, "status": status.value, "now": self._clock.now()}).fetchall())
                for status in sorted(statuses)
            )

        return await self._writer.do(work)

    async def close(self) -> None:
        await self._writer.close()
        for lifeline in self._lifelines.values():
            lifeline.let_go()

    def _times(self) -> dict[str, float]:
        return {"now": self._clock.now(), "wall": self._clock.wall()}

    def _leave_out_if_cancelled(self, db: apsw.Connection, campaign: int) -> None:
        if db.execute(SQL["get_control"], {"campaign": campaign}).get == Control.CANCELLED:
            db.execute(SQL["cancel_rows"], {"campaign": campaign})


def _rows(db: apsw.Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return db.execute(SQL[statement], values).fetchall()


def _exhaust(cursor: Any) -> None:
    """Run a statement for all its values: apsw makes one step at a time."""
    for _ in cursor:
        pass


def _pace(db: apsw.Connection, key: str) -> Pace:
    found = _rows(db, "pace", key=key)
    return Pace(**dict(zip(("next_free", "share", "paused_until", "changed_at"), found[0], strict=True))) if found else Pace()


def _doubt(db: apsw.Connection, campaign: int, values: tuple[Any, ...]) -> Doubt:
    row, fence, pass_id, pass_key, message, attempts, tries = values
    earlier = _rows(db, "texts_before", campaign=campaign, row=row, fence=fence, pass_key=pass_key)
    newest_known = earlier[0][0] if earlier and earlier[0][1] != Status.UNKNOWN else None
    return Doubt(
        claim=Claim(campaign=campaign, row=row, fence=fence, pass_id=pass_id, message=message, attempts=attempts, tries=tries),
        sent_before=frozenset(text for text, _ in earlier),
        last_before=newest_known,
        baseline=False,
    )
