"""Claims and settles rows, as parts of a transaction: for single sends and for batches."""

from collections.abc import Sequence

from campaign.domain.model import Claim, Settlement
from campaign.domain.status import OPEN, Status
from campaign.ledger import ledger_errors
from campaign.ledger.clock import DAY_SECONDS
from campaign.ledger.port import ClaimFilter, Runner
from campaign.ledger.postgres.base import skip_if_cancelled
from campaign.ledger.postgres.connection import Session
from campaign.ledger.postgres.values import settled
from campaign.ledger.values import claim_of


def claim_rows(db: Session, runner: Runner, limit: int, terms: ClaimFilter, *, batch: int | None = None) -> list[Claim]:
    """Claim rows as `Ledger.claim` does, for a batch or one by one."""
    only = None if terms.only is None else list(terms.only)
    given = {
        "campaign": runner.campaign,
        "runner": runner.id,
        "cap": terms.daily_cap,
        "cap_seconds": DAY_SECONDS,
        "only": only,
        "batch": batch,
    }
    if db.one("lock_claims"):
        raise ledger_errors.restored(db.address.name)
    allowed = db.one("may_claim", given)
    zones = allowed if allowed is None or terms.zones is None else terms.zones
    claims: list[Claim] = []
    for zone in zones or ():
        if len(claims) < limit:
            # PostgreSQL promises no order for RETURNING.
            taken = sorted(db.all("claim", given, zone=zone, limit=limit - len(claims)))
            claims += [claim_of(runner.campaign, values) for *values, status in taken if status == Status.SENDING]
    return claims


def settle_rows(db: Session, runner: Runner, settlements: Sequence[Settlement]) -> set[tuple[int, int]]:
    """Record how claims ended; returns (row, token) of those that were still the runner's. Of two for one claim the first counts."""
    by_claim = {(settlement.claim.row, settlement.claim.fencing_token): settlement for settlement in reversed(settlements)}
    values = settled(runner, list(by_claim.values()))
    some_come_back = any(settlement.outcome.status in OPEN for settlement in settlements)
    if some_come_back:
        db.all("share_campaign", values)
    changed = {(row, fencing_token) for row, fencing_token in db.all("settle", values)}
    if some_come_back:
        skip_if_cancelled(db, runner.campaign)
    return changed
