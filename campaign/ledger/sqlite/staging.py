"""`ledger.port.Staging` on SQLite."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import apsw

from campaign.domain.model import StagedBatch, StagedRow
from campaign.domain.verdict import LONGEST_REQUEST_SECONDS
from campaign.ledger import ledger_errors
from campaign.ledger.clock import LEASE_SECONDS
from campaign.ledger.port import CampaignRecord, CampaignSpec
from campaign.ledger.sqlite.base import Store, exhaust, rows, store_identity
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.values import attempts_elsewhere, may_be_of_retry, record, spec_values, staged

DISCARDED_AT_ONCE: Final = 20_000
CACHE_KIB: Final = 8_000
"""The cache while rows are stored and sorted, so that a long list takes no more memory than a short one."""


class Staging(Store):
    async def create(self, spec: CampaignSpec) -> CampaignRecord:
        runner = await self._insert_runner(0, "staging")

        def work(db: apsw.Connection) -> CampaignRecord:
            if db.execute(SQL["campaign_by_name"], {"name": spec.name}).fetchone() is not None:
                raise ledger_errors.name_taken(spec.name)
            values = spec_values(spec) | {"staging_runner": runner, "wall": self._clock.wall()}
            db.execute(SQL["create_duplicates"])
            campaign = db.execute(SQL["create_campaign"], values).get
            db.execute(SQL["assign_campaign"], {"campaign": campaign, "runner": runner})
            store_identity(db, self._path, move=False)
            return record(rows(db, "campaign_by_name", name=spec.name)[0])

        try:
            return await self._writer.do(work)
        except BaseException:
            await self._end_runner(runner, "refused")
            raise

    async def stage(self, campaign: int, batch: Sequence[StagedRow]) -> None:
        others: Sequence[StagedRow] = batch.others if isinstance(batch, StagedBatch) else batch
        whole = [staged(campaign, row) for row in others]
        sent_before = attempts_elsewhere(campaign, others)

        def work(db: apsw.Connection) -> None:
            if not rows(db, "renew_staging_runner", campaign=campaign, now=self._clock.now(), lease=LEASE_SECONDS):
                raise ledger_errors.staged_by_another()
            with _little_cache(db):
                if isinstance(batch, StagedBatch):
                    values = {"campaign": campaign, "first": batch.first, "short": batch.short}
                    for statement, found in (("stage_plain", batch.plain), ("hold_duplicates", batch.duplicates)):
                        if found:
                            db.execute(SQL[statement], values | {"rows": apsw.carray(found)})
                exhaust(db.executemany(SQL["stage"], whole))
                exhaust(db.executemany(SQL["record_attempt"], sent_before))
            if any(map(may_be_of_retry, others)):
                db.execute(SQL["open_retry"], {"campaign": campaign, "after": 0})

        # A staging that a power cut ends starts over, and `finish_staging` is durable with all that is before it.
        await self._writer.do(work, durable=False)
        self._writer.begin_move()

    async def finish_staging(
        self, campaign: int, *, content_sha256: str, duplicates_marked: bool = False, near_ids: bool = True, quiet_seconds: float = 0.0
    ) -> None:
        def work(db: apsw.Connection) -> int:
            staging_runner = db.execute("SELECT staging_runner FROM campaigns WHERE id = ?", (campaign,)).get
            values = {"campaign": campaign, "content_sha256": content_sha256, "staging_runner": staging_runner, "near_ids": near_ids}
            if staging_runner not in self._locks:
                raise ledger_errors.staged_by_another()
            with _little_cache(db):
                db.execute(SQL["stage_duplicates"], {"campaign": campaign})
                db.execute(SQL["apply_exclusions"], {"campaign": campaign}).fetchall()
                if not duplicates_marked:
                    db.execute(SQL["mark_duplicates"], {"campaign": campaign})
                quiet = {"quiet_seconds": quiet_seconds, "longest_request_seconds": LONGEST_REQUEST_SECONDS}
                db.execute(SQL["set_quiet_until"], {"campaign": campaign, "now": self._clock.now()} | quiet)
                if db.execute(SQL["finish_staging"], values).fetchone() is None:
                    raise ledger_errors.staged_by_another()
            exhaust(db.execute(SQL["end_retry"], {"campaign": campaign}))
            return int(staging_runner)

        await self._end_runner(await self._writer.do(work), "staged")

    async def abort_staging(self, campaign: int) -> None:
        staging_runners = await self._writer.do(lambda db: rows(db, "staging_runners", campaign=campaign))
        for staging_runner, lease_until, ended_at in staging_runners:
            if not ended_at and staging_runner not in self._locks and not self._is_dead(staging_runner, lease_until):
                raise ledger_errors.being_staged()
        values = {"campaign": campaign, "limit": DISCARDED_AT_ONCE}
        while await self._writer.do(lambda db: len(rows(db, "discard_rows", **values))):
            pass

        def work(db: apsw.Connection) -> None:
            if rows(db, "discard_campaign", campaign=campaign):
                db.execute(SQL["discard_attempts"], {"campaign": campaign})
                db.execute(SQL["discard_exclusions"], {"campaign": campaign})

        await self._writer.do(work)
        for staging_runner, *_ in staging_runners:
            await self._end_runner(staging_runner, "discarded")

    async def delete_if_unsent(self, campaign: int) -> bool:
        if not await self._writer.do(lambda db: rows(db, "begin_deletion", campaign=campaign)):
            return False
        await self.abort_staging(campaign)
        return True


@contextmanager
def _little_cache(db: apsw.Connection) -> Iterator[None]:
    """Use a small cache: rows are appended, and sorted in pieces, so more memory would not help."""
    before = db.pragma("cache_size")
    db.pragma("cache_size", -CACHE_KIB)
    try:
        yield
    finally:
        db.pragma("cache_size", before)
