"""That the audit would notice: one campaign in order, and every way of spoiling it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from campaign.simulator.records import BatchRecord, Ending, LoggedRequest, Notification
from tests.chaos.audit import Kind, violations_in
from tests.chaos.evidence import Attempt, Evidence, Row
from tests.chaos.world import ListRow, text_of

QUIET_SECONDS = 2.0


def listed(row: int) -> ListRow:
    return ListRow(row=row, pass_id=f"p{row}", text=text_of(row))


def known(row: int, status: str, **others: Any) -> Row:
    return Row(
        row=row, pass_id=f"p{row}", message=text_of(row), status=status, **dict[str, Any](reason="", fencing_token=1, attempts=1) | others
    )


def tried(row: int, status: str, *, fencing_token: int = 1, reason: str = "", sent_at: float = 10.0) -> Attempt:
    return Attempt(
        row=row,
        fencing_token=fencing_token,
        runner=1,
        status=status,
        reason=reason,
        http_status=None,
        sent_at=sent_at,
        settled_at=sent_at + 0.1,
    )


def message(row: int, request: int, *, text: str = "") -> Notification:
    return Notification(id=f"p{row}", message=text or text_of(row), at_seconds=0, unix_seconds=10.05, token="t", request=request)


def request(row: int, number: int) -> LoggedRequest:
    return LoggedRequest(
        number=number,
        method="POST",
        endpoint="",
        id=f"p{row}",
        raw_path="",
        at_seconds=0,
        unix_seconds=10.01,
        token="t",
        status=200,
        ending=Ending.ANSWERED,
        fault=None,
    )


def batch(status: str) -> BatchRecord:
    return BatchRecord(
        id="b",
        name="promo 1-a",
        tag=None,
        status=status,
        scheduled_at=None,
        created_unix_seconds=0,
        request=1,
        total_recipients=1,
        refused=0,
        processed=1,
        fault=None,
    )


def lines(evidence: Evidence) -> list[dict[str, str]]:
    return [
        {
            "pass_id": row.pass_id,
            "delivery_row": str(row.row),
            "delivery_message": row.message,
            "delivery_status": row.status,
            "delivery_reason": row.reason,
            "delivery_attempts": str(row.attempts),
        }
        for row in evidence.rows.values()
    ]


def in_order(**changes: Any) -> Evidence:
    """Row 1 was delivered, 2 accepted at the second attempt, 3 is unknown, 4 failed; `changes` are made before the files are written."""
    rows = [
        known(1, "delivered"),
        known(2, "accepted", fencing_token=2, attempts=2),
        known(3, "unknown", reason="r"),
        known(4, "failed", reason="r"),
    ]
    evidence = Evidence(
        listed=tuple(map(listed, range(1, 5))),
        rows={row.row: row for row in rows},
        attempts={
            1: [tried(1, "delivered")],
            2: [tried(2, "pending"), tried(2, "accepted", fencing_token=2, sent_at=12.2)],
            3: [tried(3, "unknown", reason="r")],
            4: [tried(4, "failed", reason="r")],
        },
        active_runners=0,
        problems=(),
        results=None,
        failed=None,
        processed={"p1": [message(1, 1)], "p2": [message(2, 5)], "p3": [message(3, 3)]},
        requests={"p1": [request(1, 1)], "p2": [request(2, 2), request(2, 5)], "p3": [request(3, 3)], "p4": [request(4, 4)]},
        batches=(batch("successful"), batch("cancelled")),
        open_batches=0,
    )
    evidence = replace(evidence, **{name: change(getattr(evidence, name)) for name, change in changes.items()})
    results = lines(evidence)
    return replace(evidence, results=results, failed=[line for line in results if line["delivery_status"] in {"failed", "unknown"}])


def test_a_campaign_in_order_passes() -> None:
    assert violations_in(in_order(), quiet_seconds=QUIET_SECONDS) == []


@pytest.mark.parametrize(
    ("kind", "row", "name", "change"),
    [
        (Kind.DOUBLE, 1, "processed", lambda old: old | {"p1": [message(1, 1), message(1, 1)]}),
        (Kind.DOUBLE, 3, "processed", lambda old: old | {"p3": [message(3, 3), message(3, 6)]}),
        (Kind.WRONG, 1, "processed", lambda old: old | {"p1": [message(1, 1, text="another's")]}),
        (Kind.WRONG, 0, "processed", lambda old: old | {"p9": [message(9, 9)]}),
        (Kind.LOST, 1, "processed", lambda old: old | {"p1": []}),
        (Kind.LOST, 2, "processed", lambda old: old | {"p2": []}),
        (Kind.LOST, 4, "processed", lambda old: old | {"p4": [message(4, 4)]}),
        (Kind.LOST, 0, "rows", lambda old: {number: row for number, row in old.items() if number != 4}),
        (Kind.LOST, 3, "rows", lambda old: old | {3: known(3, "pending")}),
        (Kind.LOST, 3, "rows", lambda old: old | {3: known(3, "sending")}),
        (Kind.WRONG, 3, "rows", lambda old: old | {3: known(3, "unknown")}),
        (Kind.WRONG, 4, "rows", lambda old: old | {4: known(4, "skipped")}),
        (Kind.WRONG, 4, "listed", lambda old: (*old[:3], ListRow(row=4, pass_id="", text=""))),
        (Kind.HISTORY, 1, "requests", lambda old: old | {"p1": [request(1, 1), request(1, 7)]}),
        (Kind.HISTORY, 1, "attempts", lambda old: old | {1: [tried(1, "delivered"), tried(1, "delivered", fencing_token=2, sent_at=20)]}),
        (Kind.HISTORY, 1, "attempts", lambda old: old | {1: [tried(1, "not_delivered")]}),
        (Kind.HISTORY, 1, "attempts", lambda old: old | {1: []}),
        (Kind.HISTORY, 2, "attempts", lambda old: old | {2: [tried(2, "pending"), tried(2, "accepted", fencing_token=2, sent_at=11.5)]}),
        (
            Kind.HISTORY,
            2,
            "attempts",
            lambda old: old | {2: [tried(2, "pending", fencing_token=2), tried(2, "accepted", fencing_token=2, sent_at=20)]},
        ),
        (Kind.LEDGER, 0, "active_runners", lambda _: 1),
        (Kind.LEDGER, 0, "open_batches", lambda _: 1),
        (Kind.LEFT, 0, "batches", lambda old: (*old, batch("scheduled"))),
        (Kind.LEDGER, 0, "problems", lambda _: ("row 7 missing from index",)),
    ],
)
def test_whatever_is_spoilt_is_noticed(kind: Kind, row: int, name: str, change: Callable[[Any], Any]) -> None:
    found = violations_in(in_order(**{name: change}), quiet_seconds=QUIET_SECONDS)
    assert (kind, row) in {(violation.kind, violation.row) for violation in found}


@pytest.mark.parametrize(
    ("row", "spoil"),
    [
        (0, lambda old: {"results": None, "failed": old.failed}),
        (0, lambda old: {"results": old.results[:-1], "failed": old.failed}),
        (0, lambda old: {"results": old.results[::-1], "failed": old.failed}),
        (1, lambda old: {"results": [old.results[0] | {"delivery_status": "accepted"}, *old.results[1:]], "failed": old.failed}),
        (0, lambda old: {"results": old.results, "failed": None}),
        (0, lambda old: {"results": old.results, "failed": old.failed[:1]}),
    ],
)
def test_files_that_do_not_agree_are_noticed(row: int, spoil: Callable[[Evidence], dict[str, Any]]) -> None:
    evidence = in_order()
    found = violations_in(replace(evidence, **spoil(evidence)), quiet_seconds=QUIET_SECONDS)
    assert (Kind.FILES, row) in {(violation.kind, violation.row) for violation in found}
