"""The hot statements of the SQLite ledger go through an index, whatever the size of the ledger."""

from collections import defaultdict
from functools import partial
from pathlib import Path

import apsw
import pytest

from campaign.ledger.sqlite.connection import SQL, connect, prepare


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("due", "rows_by_status"),
        ("due", "rows_unverified"),
        ("claimable", "attempts_by_pass"),
        ("record_unknown_attempts", "rows_by_status"),
        ("release", "sqlite_autoindex_rows_1"),
        ("mark_unknown", "rows_by_status"),
        ("claim_unverified", "rows_by_status"),
        ("campaigns_with_unverified", "rows_by_status"),
        ("reference_passes", "rows_by_status"),
        ("reference_passes", "attempts_by_pass"),
        ("reference_passes", "rows_unverified"),
        ("reference_passes_after", "attempts_by_row"),
        ("reference_passes_after", "attempts_by_pass"),
        ("reference_passes_after", "rows_unverified"),
        ("held_passes", "rows_by_status"),
        ("held_passes", "rows_unverified"),
        ("record_baseline", "sqlite_autoindex_rows_1"),
        ("record_verification", "sqlite_autoindex_rows_1"),
        ("texts_before", "attempts_by_pass"),
        ("last_texts", "attempts_by_pass"),
        ("pending_work", "rows_by_status"),
        ("count_by_status", "rows_by_status"),
        ("count_by_reason", "rows_by_status"),
        ("retry", "rows_by_status"),
        ("matching", "rows_by_status"),
        ("skip_rows", "sqlite_autoindex_rows_1"),
        ("retry_rows", "sqlite_autoindex_rows_1"),
        ("correct", "sqlite_autoindex_rows_1"),
        ("keep_text", "attempts_by_row"),
        ("messages", "sqlite_autoindex_rows_1"),
        ("rows_numbered", "sqlite_autoindex_rows_1"),
        ("row_states", "sqlite_autoindex_rows_1"),
        ("sent_texts", "attempts_by_row"),
        ("attempts_by_runner", "attempts_by_row"),
        ("purge_rows", "sqlite_autoindex_rows_1"),
        ("purge_attempts", "attempts_by_row"),
        ("rows", "sqlite_autoindex_rows_1"),
        ("result_columns", "sqlite_autoindex_rows_1"),
        ("attempt_columns", "attempts_by_row"),
        ("active_runners", "active_runners"),
        ("batches", "active_batches"),
        ("adopt_batches", "active_batches"),
        ("unassign_batches", "active_batches"),
        ("batch_claims", "sqlite_autoindex_rows_1"),
        ("release_batch", "sqlite_autoindex_rows_1"),
    ],
)
def test_a_hot_statement_searches_by_its_index(tmp_path: Path, statement: str, index: str) -> None:
    path = tmp_path / "campaign.db"
    prepare(path)
    connection = connect(path)
    try:
        plan = [str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {SQL[statement]}", _nothing(SQL[statement]))]
    finally:
        connection.close()
    assert any(index in step for step in plan), plan
    assert not [
        step
        for step in plan
        if step.startswith("SCAN") and not any(word in step for word in ("INDEX", "CONSTANT", "(subquery-", "VALUES CLAUSE", "SCAN sent"))
    ], plan


@pytest.mark.parametrize("statement", ["rows", "attempt_columns"])
def test_what_is_streamed_is_in_order_without_being_sorted(tmp_path: Path, statement: str) -> None:
    """Else all of it would be put aside before the first of it comes."""
    path = tmp_path / "campaign.db"
    prepare(path)
    connection = connect(path)
    try:
        plan = [str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {SQL[statement]}", Anything())]
    finally:
        connection.close()
    assert not any("B-TREE" in step for step in plan), plan


@pytest.mark.parametrize(
    "statement",
    [
        "retry_rows",
        "rows_numbered",
        "row_states",
        "due_of",
        "claimable",
        "claim",
        "skip_rows",
        "settle",
        "record_attempts",
        "superseded",
        "unfinished",
    ],
)
def test_chosen_rows_are_looked_up_one_by_one(tmp_path: Path, statement: str) -> None:
    """Not the other way round: each row of a campaign looked for in the whole array takes minutes."""
    path = tmp_path / "campaign.db"
    prepare(path)
    connection = connect(path)
    try:
        plan = [str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {SQL[statement]}", Anything())]
    finally:
        connection.close()
    assert any("(campaign=? AND row=?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SEARCH r ") and "row=?" not in step], plan
    assert not [step for step in plan if step.startswith(("SCAN rows", "SCAN r "))], plan
    assert not [step for step in plan if step.startswith("SEARCH rows ") and "row=?" not in step and "rowid=?" not in step], plan


def test_what_a_pass_was_told_is_found_by_the_pass_and_never_among_all_attempts_of_a_campaign(tmp_path: Path) -> None:
    """It is asked for each claim: among the attempts of a campaign it would take the longer, the further the campaign is."""
    path = tmp_path / "campaign.db"
    prepare(path)
    connection = connect(path)
    try:
        plan = [str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {SQL['claimable']}", Anything())]
    finally:
        connection.close()
    assert sum("attempts_by_pass" in step for step in plan) == 2, plan
    # Only those of the row itself.
    assert all("(campaign=? AND row=?)" in step for step in plan if "attempts_by_row" in step), plan


@pytest.mark.parametrize("statement", ["due", "claimable", "claim"])
def test_other_values_have_no_statement_prepared_again(tmp_path: Path, statement: str) -> None:
    """SQLite may prepare it for each value by itself, which takes longer than the claim of a row."""
    path = tmp_path / "campaign.db"
    prepare(path)
    connection = connect(path)
    again: list[int] = []
    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, lambda event: again.append(event["stmt_status"]["SQLITE_STMTSTATUS_REPREPARE"]))
    try:
        for value in (1, 2, 3):
            connection.execute(SQL[statement], defaultdict(partial(int, value))).fetchall()
    finally:
        connection.close()
    assert again == [0, 0, 0]


def _nothing(sql: str) -> "dict[str, None] | tuple[None, ...]":
    """A value for each parameter of a statement."""
    positions = sql.count("?")
    return (None,) * positions if positions else Anything()


class Anything(dict[str, None]):
    def __missing__(self, key: str) -> None:
        return None
