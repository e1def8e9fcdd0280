"""Claims and settles rows, as parts of a transaction: for single sends and for batches."""

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import apsw
import orjson

from campaign.domain.model import Claim, Settlement
from campaign.domain.status import OPEN
from campaign.ledger.clock import DAY_SECONDS
from campaign.ledger.port import ClaimFilter, Runner
from campaign.ledger.sqlite.base import rows, skip_if_cancelled
from campaign.ledger.sqlite.connection import SQL
from campaign.ledger.values import as_json, claim_of, settled

FEW: Final = 3
"""Up to this many rows are cheaper one by one; with more, the thread waits for Python's lock too often."""


def claim_rows(
    db: apsw.Connection, runner: Runner, limit: int, terms: ClaimFilter, *, now: float, wall: float, batch: int | None = None
) -> list[Claim]:
    """Claim rows as `Ledger.claim` does, for a batch or one by one."""
    zones = json.loads(rows(db, "zones", campaign=runner.campaign)[0][0]) if terms.zones is None else terms.zones
    own = {"campaign": runner.campaign, "runner": runner.id, "batch": batch, "now": now, "wall": wall}
    claims: list[Claim] = []
    taken: set[str] = set()
    for zone in zones:
        if len(claims) < limit:
            claims += _of_zone(db, own, limit - len(claims), terms, zone=zone, taken=taken)
    return claims


def _of_zone(db: apsw.Connection, own: dict[str, Any], limit: int, terms: ClaimFilter, *, zone: str, taken: set[str]) -> list[Claim]:
    where: dict[str, Any] = {"limit": limit, "zone": zone}
    statement = "due"
    if terms.only is not None:
        statement, where["only"] = "due_of", json.dumps(terms.only)
    due = rows(db, statement, **own, **where)[0][0]
    if due == "[]":
        return []
    found = orjson.loads(rows(db, "claimable", **own, rows=due, cap=terms.daily_cap, since=own["wall"] - DAY_SECONDS)[0][0])
    claims: list[Claim] = []
    left_out: dict[str, list[int]] = {}
    for *values, key, reason in sorted(found, key=itemgetter(0)):
        if reason is not None:
            left_out.setdefault(reason, []).append(values[0])
        elif key not in taken:
            taken.add(key)
            claims.append(claim_of(own["campaign"], values))
    for reason, numbers in left_out.items():
        db.execute(SQL["skip_rows"], own | {"reason": reason, "rows": as_json(numbers)})
    db.execute(SQL["claim"], own | {"rows": as_json([claim.row for claim in claims])})
    if db.changes() != len(claims):
        # A row that was not claimed must not be sent, and would be found again and again.
        raise apsw.CorruptError("an index lists rows as pending that are not")
    return claims


def settle_rows(db: apsw.Connection, runner: Runner, settlements: Sequence[Settlement], *, now: float) -> set[tuple[int, int]]:
    """Record how claims ended; returns (row, token) of those that are no longer the runner's. Of two for one claim the first counts."""
    by_claim = {(settlement.claim.row, settlement.claim.fencing_token): settlement for settlement in reversed(settlements)}
    values = [settled(settlement, now, quiet_seconds=runner.quiet_seconds) for settlement in by_claim.values()]
    end = _end_each if len(values) <= FEW else _end_all
    late = end(db, runner, values)
    if any(settlement.outcome.status in OPEN for settlement in settlements):
        skip_if_cancelled(db, runner.campaign)
    return late


def _end_each(db: apsw.Connection, runner: Runner, values: list[tuple[Any, ...]]) -> set[tuple[int, int]]:
    late = set()
    for *one, quiet_until in values:
        whose = (*one, runner.campaign, runner.id)
        db.execute(SQL["record_one"], whose)
        if db.changes():
            db.execute(SQL["settle_one"], (*whose, quiet_until))
        else:
            late.add((one[0], one[1]))
    return late


def _end_all(db: apsw.Connection, runner: Runner, values: list[tuple[Any, ...]]) -> set[tuple[int, int]]:
    whose: dict[str, Any] = {"campaign": runner.campaign, "runner": runner.id, "settlements": orjson.dumps(values).decode()}
    db.execute(SQL["record_attempts"], whose)
    late = set()
    if db.changes() < len(values):
        late = {(row, fencing_token) for row, fencing_token in orjson.loads(rows(db, "superseded", **whose)[0][0])}
    db.execute(SQL["settle"], whose)
    return late
