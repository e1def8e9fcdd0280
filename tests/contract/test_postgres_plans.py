"""The hot statements of the PostgreSQL ledger go through an index, once a list is staged and analyzed."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from campaign.ledger.postgres.connection import SQL, parse
from campaign.ledger.postgres.schema import prepare
from tests.contract.postgres_server import Server

ROWS = 30_000

FILL = f"""
ALTER TABLE campaign.rows SET (autovacuum_enabled = off);
ALTER TABLE campaign.attempts SET (autovacuum_enabled = off);
INSERT INTO campaign.campaigns (name, list_name, list_sha256, message_sha256, columns, id_column, settings, desired_state, created_at,
                                account)
SELECT 'c' || c, '', '', '', '[]', '', '{{}}', 'go', 0, 'me' FROM generate_series(1, 3) AS c;
INSERT INTO campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, due_at)
SELECT c, r, 'p' || r, 'p' || r, 'Hello', '[]', 'pending', 0 FROM generate_series(1, 3) AS c, generate_series(1, {ROWS}) AS r;
ANALYZE;
UPDATE campaign.rows SET status = 'sending', due_at = NULL, runner = 1 WHERE row % 10 <> 0;
UPDATE campaign.rows SET status = CASE row % 10 WHEN 1 THEN 'failed' WHEN 2 THEN 'unknown' ELSE 'delivered' END, runner = NULL
WHERE status = 'sending' AND row % 100 <> 99;
INSERT INTO campaign.attempts (campaign, row, fencing_token, pass_key, runner, status, reason, sent_at, settled_at)
SELECT campaign, row, 1, pass_key, 1, status, '', 0, 0 FROM campaign.rows WHERE status NOT IN ('pending', 'sending');
INSERT INTO campaign.runners (campaign, host, pid, started_at, lease_until, activity, ended_at)
SELECT r % 3 + 1, '', 1, 0, 0, '', CASE WHEN r > 3 THEN 1 ELSE 0 END FROM generate_series(1, 500) AS r;
"""
"""Three lists that were staged and analyzed, and then sent to nine tenths: what the planner knows is long past."""

ALL = range(1, 501)
VALUES: dict[str, Any] = {
    "campaign": 1, "runner": 1, "zone": "", "only": None, "limit": 500,
    "cap": 3, "cap_seconds": 86400.0, "row": 7, "fencing_token": 1,
    "claim_seconds": 30.0, "status": "failed", "statuses": ["failed"], "reasons": [], "http_statuses": [], "reason": "x", "held_until": 1.0,
    "due_in": 1.0, "known": True, "text": "a", "pass_status": "", "device_type": "", "rows": list(ALL), "fencing_tokens": [1] * 500,
    "pass_keys": [f"p{row}" for row in ALL], "messages": ["New"] * 500, "api": "", "quiet_seconds": 1.0, "within": 10.0, "lease": 30.0,
    "activity": "", "batch": None, "ended": "", "cut": [1], "late": [2],
    "others": False, "written_over": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def full(server: Server) -> Iterator["psycopg.Connection[Any]"]:
    """Three campaigns in the middle of their sending."""
    database = server.database()
    prepare(parse(server.url(database)))
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(FILL.encode())
        connection.commit()
        yield connection
    server.drop(database)


def plan(connection: "psycopg.Connection[Any]", statement: str, **values: Any) -> list[dict[str, Any]]:
    """Every step of a statement's plan."""
    connection.rollback()
    connection.execute(SQL["seek"].encode())
    explained = connection.execute(f"EXPLAIN (FORMAT JSON) {SQL[statement]}".encode(), VALUES | values).fetchall()[0][0]
    connection.rollback()

    def steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from steps(child)

    return list(steps(explained[0]["Plan"]))


SETTLED = {
    "row": list(ALL), "fencing_token": [1] * 500,
    "status": ["delivered"] * 500, "reason": [""] * 500, "due_in": [None] * 500,
    "attempts": [1] * 500, "counted_attempts": [1] * 500, "notification_status": [""] * 500,
    "notification_message": [""] * 500, "http_status": [200] * 500,
    "error": [""] * 500, "sent_at": [0.5] * 500, "settled_at": [0.5] * 500, "latency_seconds": [0.5] * 500, "pass_status": [""] * 500,
    "device_type": [""] * 500,
    "noted_as": ["delivered"] * 500, "quiet_seconds": [10.0] * 500,
}  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "values", "indexes"),
    [
        ("claim", {}, {"rows_by_status", "rows_unverified", "attempts_by_pass", "rows_pkey"}),
        ("claim", {"limit": 5}, {"rows_by_status", "rows_unverified", "attempts_by_pass", "rows_pkey"}),
        ("claim", {"only": list(ALL)}, {"rows_unverified", "attempts_by_pass", "rows_pkey"}),
        ("settle", SETTLED, {"rows_pkey"}),
        ("release", {}, {"rows_pkey"}),
        ("mark_unknown", {"hold_unverified": False}, {"rows_by_status"}),
        ("claim_unverified", {}, {"rows_by_status", "rows_pkey"}),
        ("campaigns_with_unverified", {}, {"rows_by_status"}),
        ("reference_passes", {}, {"rows_by_status", "attempts_by_pass", "rows_unverified"}),
        ("reference_passes_after", {}, {"attempts_by_row", "attempts_pkey", "attempts_by_pass", "rows_unverified"}),
        ("held_passes", {}, {"rows_unverified"}),
        ("record_baseline", {}, {"rows_pkey"}),
        ("record_verification", {}, {"rows_pkey"}),
        ("record_verified_attempt", {}, {"attempts_by_row"}),
        ("texts_before", {}, {"attempts_by_pass", "rows_pkey"}),
        ("last_texts", {}, {"attempts_by_pass", "rows_pkey"}),
        ("pending_work", {}, {"rows_by_status"}),
        ("skip_rows", {}, {"rows_pkey"}),
        ("retry_rows", {"after": 0}, {"attempts_by_row", "rows_pkey"}),
        ("keep_text", {"rows": [1, 2, 3], "messages": ["New"] * 3}, {"attempts_by_row", "rows_pkey"}),
        ("rows_numbered", {}, {"rows_pkey"}),
        ("row_states", {}, {"attempts_by_row", "rows_pkey"}),
        ("sent_texts", {}, {"attempts_by_row"}),
        ("unfinished", {"only": list(ALL)}, {"rows_pkey"}),
        ("recent", {}, {"attempts_pkey"}),
        ("rows", {"statuses": None}, {"rows_pkey"}),
        ("heartbeat", {}, {"runners_pkey"}),
        ("may_claim", {}, {"runners_pkey"}),
        ("active_runners", {}, {"active_runners"}),
    ],
)
def test_a_hot_statement_searches_by_its_indexes(
    full: "psycopg.Connection[Any]", statement: str, values: dict[str, Any], indexes: set[str]
) -> None:
    steps = plan(full, statement, **values)
    assert {step["Index Name"] for step in steps if "Index Name" in step} >= indexes
    whole = [step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"]
    assert not {"rows", "attempts"} & set(whole), steps


@pytest.mark.parametrize(
    ("statement", "values"),
    [("claim", {"limit": 100}), ("settle", SETTLED), ("release", {})],
)
def test_it_looks_at_no_more_rows_than_it_takes(full: "psycopg.Connection[Any]", statement: str, values: dict[str, Any]) -> None:
    """However many are pending, unverified or sent: what is read are the rows that are taken, and what is known of their passes."""
    full.execute(SQL["seek"].encode())
    sql = f"EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT JSON) {SQL[statement]}".encode()
    explained = full.execute(sql, VALUES | values).fetchall()[0][0]
    full.rollback()

    def most(node: dict[str, Any]) -> float:
        looked = float(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * float(node["Actual Loops"])
        return max([looked, *map(most, node.get("Plans", ()))])

    assert most(explained[0]["Plan"]) <= 600
