"""`ledger.port.Staging` on PostgreSQL."""

from collections.abc import Sequence
from typing import Final

from campaign.domain.model import StagedRow
from campaign.domain.verdict import LONGEST_REQUEST_SECONDS
from campaign.ledger import ledger_errors
from campaign.ledger.clock import LEASE_SECONDS
from campaign.ledger.port import CampaignRecord, CampaignSpec
from campaign.ledger.postgres.base import Store
from campaign.ledger.postgres.connection import LONG_SECONDS, Session
from campaign.ledger.postgres.values import cleaned
from campaign.ledger.values import attempts_elsewhere, may_be_of_retry, record, spec_values, staged

DISCARDED_AT_ONCE: Final = 20_000


class Staging(Store):
    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        runner = await self._insert_runner(0, "staging")
        values = spec_values(spec) | {"staging_runner": runner}

        def work(db: Session) -> CampaignRecord:
            campaign = db.one("create_campaign", values)
            if campaign is None:
                raise ledger_errors.name_taken(spec.name)
            db.all("assign_campaign", campaign=campaign, runner=runner)
            return record(db.all("campaign_by_name", name=spec.name)[0])

        try:
            return await self._writer.do(work)
        except BaseException:
            await self._end_runner(runner, "refused")
            raise

    async def stage(self, campaign: int, batch: Sequence[StagedRow]) -> None:
        values = [cleaned(staged(campaign, row)) for row in batch]
        sent_before = list(map(cleaned, attempts_elsewhere(campaign, batch)))

        def work(db: Session) -> None:
            db.all("share_campaign", campaign=campaign)
            if db.one("renew_staging_runner", campaign=campaign, lease=LEASE_SECONDS) is None:
                raise ledger_errors.staged_by_another()
            db.copy("stage", values)
            db.copy("stage_attempts", sent_before)
            if any(map(may_be_of_retry, batch)):
                db.all("open_retry", campaign=campaign, after=0)

        await self._writer.do(work, seconds=LONG_SECONDS)

    async def finish_staging(
        self, campaign: int, *, content_sha256: str, duplicates_marked: bool = False, near_ids: bool = True, quiet_seconds: float = 0.0
    ) -> None:
        def work(db: Session) -> int:
            db.all("lock_campaign", campaign=campaign)
            staging_runner = db.one("staging_runner", campaign=campaign)
            if staging_runner not in self._locks:
                raise ledger_errors.staged_by_another()
            # First, as the rest goes through the whole campaign.
            db.all("analyze")
            db.all("apply_exclusions", campaign=campaign)
            if not duplicates_marked:
                db.all("mark_duplicates", campaign=campaign)
            quiet = {"quiet_seconds": quiet_seconds, "longest_request_seconds": LONGEST_REQUEST_SECONDS}
            db.all("set_quiet_until", campaign=campaign, **quiet)
            values = {"campaign": campaign, "content_sha256": content_sha256, "staging_runner": staging_runner, "near_ids": near_ids}
            if db.one("finish_staging", **values) is None:
                raise ledger_errors.staged_by_another()
            db.all("end_retry", campaign=campaign)
            return int(staging_runner)

        await self._end_runner(await self._writer.do(work, seconds=LONG_SECONDS), "staged")

    async def abort_staging(self, campaign: int) -> None:
        staging_runners = await self._writer.ask(lambda db: db.all("staging_runners", campaign=campaign))
        for staging_runner, boot, late, ended_at in staging_runners:
            if not ended_at and staging_runner not in self._locks and not self._is_dead(staging_runner, boot, late=late):
                raise ledger_errors.being_staged()
        while await self._writer.do(lambda db: db.count("discard_rows", campaign=campaign, limit=DISCARDED_AT_ONCE), seconds=LONG_SECONDS):
            pass

        def work(db: Session) -> None:
            db.all("lock_campaign", campaign=campaign)
            # A process that only seemed to be dead may have staged rows since then. After this it can't stage any more.
            db.all("discard_rows", campaign=campaign, limit=None)
            if db.all("discard_campaign", campaign=campaign):
                db.all("discard_attempts", campaign=campaign)
                db.all("discard_exclusions", campaign=campaign)

        await self._writer.do(work, seconds=LONG_SECONDS)
        for staging_runner, *_ in staging_runners:
            await self._end_runner(staging_runner, "discarded")

    async def delete_if_unsent(self, campaign: int) -> bool:
        def work(db: Session) -> bool:
            db.all("lock_campaign", campaign=campaign)
            return db.one("begin_deletion", campaign=campaign) is not None

        if not await self._writer.do(work, seconds=LONG_SECONDS):
            return False
        await self.abort_staging(campaign)
        return True
