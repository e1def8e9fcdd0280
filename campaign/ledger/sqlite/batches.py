"""`ledger.port.Batches` on SQLite."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import apsw

from campaign.domain.batches import Batch
from campaign.domain.model import Claim, Settlement
from campaign.ledger.port import ClaimFilter, Runner
from campaign.ledger.sqlite.base import Store, rows, skip_if_cancelled
from campaign.ledger.sqlite.claims import claim_rows, settle_rows
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.values import as_json, batch_values, batches, claim_of, new_batch


class Batches(Store):
    async def claim_batch(
        self, runner: Runner, limit: int, terms: ClaimFilter, *, name: str, entity: str
    ) -> tuple[Batch, list[Claim]] | None:
        def work(db: apsw.Connection) -> tuple[Batch, list[Claim]] | None:
            values = {"campaign": runner.campaign, "name": name, "entity": entity, "runner": runner.id}
            batch = int(db.execute(SQL["begin_batch"], values).get)
            claims = claim_rows(db, runner, limit, terms, batch=batch, now=self._clock.now(), wall=self._clock.wall())
            if not claims:
                db.execute(SQL["delete_batch"], {"batch": batch})
                return None
            db.execute(SQL["fill_batch"], {"batch": batch, "rows": as_json([claim.row for claim in claims])})
            return new_batch(batch, runner.campaign, name=name, entity=entity, rows=len(claims)), claims

        return None if terms.zones == () or terms.only == () else await self._writer.do(work)

    async def adopt_batches(self, runner: Runner) -> list[Batch]:
        def work(db: apsw.Connection) -> list[Batch]:
            own = {"campaign": runner.campaign, "runner": runner.id}
            db.execute(SQL["adopt_batches"], own)
            return batches(rows(db, "batches", **own))

        return await self._writer.do(work)

    async def batch_claims(self, batch: Batch) -> list[Claim]:
        return await self._writer.do(lambda db: [claim_of(batch.campaign, values) for values in rows(db, "batch_claims", batch=batch.id)])

    async def record_batch(self, runner: Runner, batch: Batch) -> bool:
        return await self._writer.do(lambda db: bool(rows(db, "record_batch", **batch_values(batch), runner=runner.id)))

    async def settle_batch(self, runner: Runner, batch: Batch, settlements: Sequence[Settlement]) -> bool:
        def work(db: apsw.Connection, claimant: Runner) -> None:
            settle_rows(db, claimant, settlements, now=self._clock.now())
            rows(db, "record_batch", **batch_values(batch), runner=runner.id)

        return await self._as_claimant(runner, batch, work)

    async def release_batch(self, runner: Runner, batch: Batch) -> bool:
        def work(db: apsw.Connection, _claimant: Runner) -> None:
            db.execute(SQL["release_batch"], {"batch": batch.id, "now": self._clock.now()})
            rows(db, "record_batch", **batch_values(batch, ended=True), runner=runner.id)
            skip_if_cancelled(db, runner.campaign)

        return await self._as_claimant(runner, batch, work)

    async def _as_claimant(self, runner: Runner, batch: Batch, work: Callable[[apsw.Connection, Runner], object]) -> bool:
        """Do `work` as the runner that claimed the rows, if the batch belongs to `runner` now; returns whether it does."""

        def checked(db: apsw.Connection) -> bool:
            found = rows(db, "claimant", batch=batch.id, runner=runner.id)
            for (claimant,) in found:
                work(db, replace(runner, id=claimant))
            return bool(found)

        return await self._writer.do(checked)
