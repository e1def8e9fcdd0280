"""What a simulated campaign has left: in the ledger, in its results file, and with the API."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import apsw

from campaign.domain.model import ResultRow, StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import DesiredState
from campaign.ledger.sqlite import SqliteReader
from tests.simulation.network import FOREIGN_TEXT, Network
from tests.simulation.plan import Plan
from tests.simulation.retries import Retries


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSeen:
    """An attempt as the ledger has it; `process` is the name of the runner's."""

    row: int
    fencing_token: int
    status: str
    http_status: int | None
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is in the ledger. `buried` are the processes whose runners were taken for dead."""

    rows: dict[int, ResultRow]
    fencing_tokens: dict[int, int]
    attempts: list[AttemptSeen]
    desired_state: DesiredState
    active_runners: int
    buried: set[str]
    problems: list[str]

    def times(self, row: int, status: Status) -> int:
        """How many of the row's attempts ended with the status."""
        return sum(attempt.row == row and attempt.status == status for attempt in self.attempts)


@dataclass(kw_only=True)
class Evidence:
    """All that the audit looks at.

    `results` is what the results file says of each row; `messages` are, of each pass, the times at which what it got had left;
    `sent_at_the_end` is how many requests left when the same command ran once more
    after all had ended. `at_work` are the processes that ran until their command ended.
    """

    plan: Plan
    staged: list[StagedRow]
    stored: Stored
    results: dict[int, str]
    messages: dict[str, list[float]]
    texts: dict[str, set[str]]
    requests: Counter[str]
    network: Network
    finished: bool
    sent_at_the_end: int
    retries: Retries
    cancelled_at: float | None
    problems: list[str]
    happened: Counter[str]
    at_work: set[str]
    virtual_seconds: float


def stored(ledger: Path, name: str) -> Stored:
    """Everything that the ledger holds of the campaign."""
    reader = SqliteReader(ledger)
    try:
        record = reader.campaign(name)
        assert record is not None
        rows = {row.row: row for row in reader.rows(record.id)}
        at_work = sum(one.alive for one in reader.runners(record.id))
    finally:
        reader.close()
    connection = apsw.Connection(str(ledger))
    try:
        fencing_tokens: dict[int, int] = dict(connection.execute("SELECT row, fencing_token FROM rows"))
        found = connection.execute(
            "SELECT a.row, a.fencing_token, a.status, a.http_status, r.username FROM attempts AS a JOIN runners AS r ON r.id = a.runner "
            "ORDER BY a.row, a.fencing_token, a.id"
        )
        attempts = [
            AttemptSeen(row=row, fencing_token=fencing_token, status=status, http_status=http_status, process=process)
            for row, fencing_token, status, http_status, process in found
        ]
        buried = {name for (name,) in connection.execute("SELECT username FROM runners WHERE ended = 'lost'")}
        problems = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
    finally:
        connection.close()
    return Stored(
        rows=rows,
        fencing_tokens=fencing_tokens,
        attempts=attempts,
        desired_state=record.desired_state,
        active_runners=at_work,
        buried=buried,
        problems=problems,
    )


def results(file: Path) -> dict[int, str]:
    """Each row's status in the results file."""
    if not file.exists():
        return {}
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return {int(line["delivery_row"]): line["delivery_status"] for line in csv.DictReader(lines)}


def processed(network: Network) -> tuple[dict[str, list[float]], dict[str, set[str]]]:
    """Of each pass, when each of our messages that it got had left, and which texts it got."""
    entries = [entry for entry in network.state.records.notifications.entries() if entry.message != FOREIGN_TEXT]
    messages: dict[str, list[float]] = {}
    texts: dict[str, set[str]] = {}
    for entry in entries:
        messages.setdefault(entry.id, []).append(network.left_at[entry.request])
        texts.setdefault(entry.id, set()).add(entry.message)
    return messages, texts
