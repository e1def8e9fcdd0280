"""`ledger.port.Staging` on PostgreSQL."""

from collections.abc import Sequence
from typing import Final

from campaign.domain.model import StagedRow
from campaign.ledger import ledger_errors
from campaign.ledger.clock import LEASE_SECONDS
from campaign.ledger.port import CampaignRecord, CampaignSpec
from campaign.ledger.postgres.base import Store
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.values import cleaned
from campaign.ledger.values import MAY_HAVE_ARRIVED, attempt_elsewhere, record, spec_values, staged

DISCARDED_AT_ONCE: Final = 20_000


class Staging(Store):
    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        runner = await self._enlist(0, "staging")
        values = spec_values(spec) | {"stager": runner}

        def work(db: Session) -> CampaignRecord:
            campaign = db.one("create_campaign", values)
            if campaign is None:
                raise ledger_errors.name_taken(spec.name)
            db.all("adopt", campaign=campaign, runner=runner)
            return record(db.all("campaign_by_name", name=spec.name)[0])

        try:
            return await self._line.do(work)
        except BaseException:
            await self._sign_off(runner, "refused")
            raise

    async def stage(self, campaign: int, batch: Sequence[StagedRow]) -> None:
        values = [cleaned(staged(campaign, row)) for row in batch]
        sent_before = [cleaned(attempt_elsewhere(campaign, row)) for row in batch if row.outcome.status in MAY_HAVE_ARRIVED]

        def work(db: Session) -> None:
            db.all("share_campaign", campaign=campaign)
            if db.one("renew_stager", campaign=campaign, lease=LEASE_SECONDS) is None:
                raise ledger_errors.staged_by_another()
            db.copy("stage", values)
            db.copy("stage_attempts", sent_before)

        await self._line.do(work, seconds=LONG_SECONDS)

    async def finish_staging(
        self, campaign: int, *, content_sha256: str, duplicates_marked: bool = False, quiet_seconds: float = 0.0
    ) -> None:
        def work(db: Session) -> int:
            db.all("lock_campaign", campaign=campaign)
            stager = db.one("stager_of", campaign=campaign)
            if stager not in self._locks:
                raise ledger_errors.staged_by_another()
            # First, as the rest goes through the whole campaign.
            db.all("analyze")
            db.all("apply_exclusions", campaign=campaign)
            if not duplicates_marked:
                db.all("mark_duplicates", campaign=campaign)
            db.all("keep_quiet", campaign=campaign, quiet=quiet_seconds)
            if db.one("finish_staging", campaign=campaign, content_sha256=content_sha256, stager=stager) is None:
                raise ledger_errors.staged_by_another()
            return int(stager)

        await self._sign_off(await self._line.do(work, seconds=LONG_SECONDS), "staged")

    async def discard(self, campaign: int) -> None:
        stagers = await self._line.ask(lambda db: db.all("stager", campaign=campaign))
        for stager, boot, late, ended_at in stagers:
            if not ended_at and stager not in self._locks and not self._is_dead(stager, boot, late=late):
                raise ledger_errors.being_staged()
        while await self._line.do(lambda db: db.count("discard_rows", campaign=campaign, limit=DISCARDED_AT_ONCE), seconds=LONG_SECONDS):
            pass

        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            # A process that only seemed to be dead may have staged rows since then. After this it can't stage any more.
            db.all("discard_rows", campaign=campaign, limit=None)
            if db.all("discard_campaign", campaign=campaign):
                db.all("discard_attempts", campaign=campaign)
                db.all("discard_exclusions", campaign=campaign)

        await self._line.do(work, seconds=LONG_SECONDS)
        for stager, *_ in stagers:
            await self._sign_off(stager, "discarded")

    async def delete_if_unsent(self, campaign: int) -> bool:
        def work(db: Session) -> bool:
            db.all("lock_campaign", campaign=campaign)
            return db.one("withdraw", campaign=campaign) is not None

        if not await self._line.do(work, seconds=LONG_SECONDS):
            return False
        await self.discard(campaign)
        return True
