"""What ledger, results files and simulator each say of a campaign, read side by side."""

import csv
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from campaign.simulator.records import BatchRecord, LoggedRequest, Notification
from tests.chaos.plan import LATE_SECONDS
from tests.chaos.world import ListRow, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row as the ledger has it."""

    row: int
    pass_id: str
    message: str
    status: str
    reason: str
    fencing_token: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt as the ledger has it; Unix seconds."""

    row: int
    fencing_token: int
    runner: int
    status: str
    reason: str
    http_status: int | None
    sent_at: float
    settled_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`results` and `failed` are the files' rows, None where there is no file. `problems` is what is wrong with the ledger itself.

    `batches` are the simulator's, `open_batches` how many the ledger has that did not end.
    """

    listed: tuple[ListRow, ...]
    rows: Mapping[int, Row]
    attempts: Mapping[int, list[Attempt]]
    active_runners: int
    problems: tuple[str, ...]
    results: list[dict[str, str]] | None
    failed: list[dict[str, str]] | None
    processed: Mapping[str, list[Notification]]
    requests: Mapping[str, list[LoggedRequest]]
    """By pass, in the order of arrival: those that would send."""

    batches: tuple[BatchRecord, ...]
    open_batches: int


def gather(world: World) -> Evidence:
    """Once nothing can come any more: what the simulator processes late it may process after the campaign's end."""
    time.sleep(2 * LATE_SECONDS)
    select = world.kept.select
    rows = [Row(**found) for found in select("SELECT row, pass_id, message, status, reason, fencing_token, attempts FROM rows")]
    columns = "row, fencing_token, runner, status, reason, http_status, sent_at, settled_at"
    attempts = defaultdict(list)
    for found in select(f"SELECT {columns} FROM attempts ORDER BY id"):
        attempts[found["row"]].append(Attempt(**found))
    (at_work,) = select("SELECT count(*) AS runners FROM runners WHERE ended_at = 0")
    (in_batches,) = select("SELECT count(*) AS open FROM batches WHERE state <> 'ended'")
    campaigns = select("SELECT id FROM campaigns")
    problems = world.kept.problems()
    if len(campaigns) != 1:
        problems.append(f"the ledger holds {len(campaigns)} campaigns instead of one")
    processed = defaultdict(list)
    for notification in world.simulator.audit():
        processed[notification.id].append(notification)
    requests = defaultdict(list)
    for request in world.simulator.requests():
        if request.method == "POST" and request.id is not None:
            requests[request.id].append(request)
    return Evidence(
        listed=world.rows,
        rows={row.row: row for row in rows},
        attempts=attempts,
        active_runners=at_work["runners"],
        problems=tuple(problems),
        results=_table(world.results),
        failed=_table(world.failed),
        processed=processed,
        requests=requests,
        batches=tuple(world.simulator.batches()),
        open_batches=in_batches["open"],
    )


def _table(path: Path) -> list[dict[str, str]] | None:
    if not path.exists():
        return None
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
