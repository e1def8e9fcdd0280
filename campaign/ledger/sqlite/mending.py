"""The part of `ledger.port.Ledger` on SQLite by which people have rows sent again."""

from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from campaign.domain.model import Status
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.sqlite.store import Store, rows
from campaign.ledger.upkeep import MendedRow
from campaign.ledger.values import as_json, filters


class Mending(Store):
    async def retry(
        self,
        campaign: int,
        statuses: frozenset[Status],
        *,
        reasons: frozenset[str] = frozenset(),
        http_statuses: frozenset[int] = frozenset(),
    ) -> int:
        values = {"campaign": campaign, "now": self._clock.now()} | filters(reasons, http_statuses)

        def work(db: apsw.Connection) -> int:
            return sum(len(rows(db, "retry", status=status.value, **values)) for status in sorted(statuses))

        return await self._writer.do(work)

    async def mend(self, campaign: int, mended: Sequence[MendedRow], again: Sequence[int], statuses: frozenset[Status]) -> int:
        values = [_values(campaign, row) for row in mended]

        def work(db: apsw.Connection) -> int:
            now = self._clock.now()
            changed = []
            for row in values:
                db.execute(SQL["keep_text"], {name: row[name] for name in ("campaign", "row", "message")})
                changed += [found for (found,) in rows(db, "mend", **row, now=now)]
            as_they_are = {"rows": as_json(again), "statuses": as_json(sorted(statuses))}
            count = len(changed) + len(rows(db, "retry_rows", campaign=campaign, now=now, **as_they_are))
            if changed:
                # A row of a zone that the campaign doesn't name would never be claimed.
                db.execute(SQL["add_zones"], {"campaign": campaign, "zones": as_json(sorted({row.zone for row in mended}))})
                count -= len(rows(db, "mark_mended_duplicates", campaign=campaign, rows=as_json(changed)))
            return count

        return await self._writer.do(work)


def _values(campaign: int, row: MendedRow) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "row": row.row,
        "pass_id": row.pass_id,
        "pass_key": row.pass_key,
        "message": row.message,
        "cells": orjson.dumps(row.cells).decode(),
        "zone": row.zone,
    }
