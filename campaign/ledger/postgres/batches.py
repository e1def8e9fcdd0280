"""`ledger.port.Batches` on PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from campaign.domain.batches import Batch
from campaign.domain.model import Claim, Settlement
from campaign.ledger.port import ClaimFilter, Runner
from campaign.ledger.postgres.base import Store, skip_if_cancelled
from campaign.ledger.postgres.claims import claim_rows, settle_rows
from campaign.ledger.postgres.connection import Session
from campaign.ledger.values import batch_values, batches, claim_of, new_batch


class Batches(Store):
    async def claim_batch(
        self, runner: Runner, limit: int, terms: ClaimFilter, *, name: str, entity: str
    ) -> tuple[Batch, list[Claim]] | None:
        values = {"campaign": runner.campaign, "name": name, "entity": entity, "runner": runner.id}

        def work(db: Session) -> tuple[Batch, list[Claim]] | None:
            batch = int(db.one("begin_batch", values))
            claims = claim_rows(db, runner, limit, terms, batch=batch)
            if not claims:
                db.all("delete_batch", batch=batch)
                return None
            db.all("fill_batch", batch=batch, rows=[claim.row for claim in claims])
            return new_batch(batch, runner.campaign, name=name, entity=entity, rows=len(claims)), claims

        return None if terms.zones == () or terms.only == () else await self._quick.do(work)

    async def adopt_batches(self, runner: Runner) -> list[Batch]:
        own = {"campaign": runner.campaign, "runner": runner.id}

        def work(db: Session) -> list[Batch]:
            if db.one("may_assign_campaign", own) is None:
                return []
            db.all("adopt_batches", own)
            return batches(db.all("batches", own))

        return await self._writer.do(work)

    async def batch_claims(self, batch: Batch) -> list[Claim]:
        found = await self._writer.ask(lambda db: db.all("batch_claims", batch=batch.id))
        return [claim_of(batch.campaign, values) for values in found]

    async def record_batch(self, runner: Runner, batch: Batch) -> bool:
        return await self._quick.do(lambda db: db.one("record_batch", batch_values(batch), runner=runner.id) is not None)

    async def settle_batch(self, runner: Runner, batch: Batch, settlements: Sequence[Settlement]) -> bool:
        def work(db: Session, claimant: Runner) -> None:
            settle_rows(db, claimant, settlements)
            db.all("record_batch", batch_values(batch), runner=runner.id)

        return await self._as_claimant(runner, batch, work)

    async def release_batch(self, runner: Runner, batch: Batch) -> bool:
        def work(db: Session, _claimant: Runner) -> None:
            db.all("share_campaign", campaign=runner.campaign)
            db.all("release_batch", batch=batch.id)
            db.all("record_batch", batch_values(batch, ended=True), runner=runner.id)
            skip_if_cancelled(db, runner.campaign)

        return await self._as_claimant(runner, batch, work)

    async def _as_claimant(self, runner: Runner, batch: Batch, work: Callable[[Session, Runner], object]) -> bool:
        """Do `work` as the runner that claimed the rows, if the batch belongs to `runner` now; returns whether it does."""

        def checked(db: Session) -> bool:
            claimant = db.one("claimant", batch=batch.id, runner=runner.id)
            if claimant is not None:
                work(db, replace(runner, id=claimant))
            return claimant is not None

        return await self._writer.do(checked)
