"""Passes that are in a list more than once: marked while it is staged just as the ledger would mark them afterwards."""

from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.lists.columns import Layout
from campaign.domain.model import Skip, StagedRow
from campaign.domain.status import Status
from campaign.loader import repeats
from campaign.loader.messages.resolve import plan_messages
from campaign.loader.repeats import Repeats
from campaign.loader.stage import Stager

COLUMNS = ("pass_id", "name")
IDS = st.sampled_from(["p1", " p1", "p2\u200b", "p2", "P1", "0F" * 20, "0f" * 20, "", "1.23E+15", "..", "p3"])
NAMES = st.sampled_from(["Ada", "", "x" * 400])


def frames(rows: Sequence[tuple[str, str]], size: int) -> list[pd.DataFrame]:
    return [pd.DataFrame(rows[at : at + size], columns=list(COLUMNS), dtype="str") for at in range(0, len(rows), size)]


def staged(rows: Sequence[tuple[str, str]], size: int, *, marked: bool) -> list[StagedRow]:
    found = Repeats(None)
    for frame in frames(rows, size):
        found.add(frame)
    layout = Layout.of(COLUMNS, id_column=None, file="list.csv", spreadsheet=True)
    messages = plan_messages(COLUMNS, message="Hi {{ name }}", template=None, templates=None)
    stager = Stager(layout=layout, messages=messages, repeated=found.found() if marked else None)
    result = [row for batch in stager.batches(frames(rows, size)) for row in batch]
    found.close()
    return result


def duplicates_of(rows: Sequence[StagedRow]) -> set[int]:
    """What `mark_duplicates` says: of the rows of a pass that can be sent, all but the first."""
    seen: set[str] = set()
    found = set()
    for row in rows:
        if row.outcome.status is Status.PENDING:
            if row.pass_key in seen:
                found.add(row.row)
            seen.add(row.pass_key)
    return found


@given(st.lists(st.tuples(IDS, NAMES), min_size=1, max_size=20), st.integers(1, 7), st.integers(1, 4))
def test_the_same_rows_are_duplicates(rows: list[tuple[str, str]], size: int, sorted_at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "SORTED_AT_ONCE", sorted_at_once)
        marked = staged(rows, size, marked=True)
    plain = staged(rows, size, marked=False)
    skipped = {row.row for row in marked if row.outcome.status is Status.SKIPPED}
    assert skipped == duplicates_of(plain)
    assert {row.outcome.reason for row in marked if row.row in skipped} <= {Skip.DUPLICATE}
    assert [row for row in marked if row.row not in skipped] == [row for row in plain if row.row not in skipped]
    assert [(row.pass_id, row.message, row.cells) for row in marked] == [(row.pass_id, row.message, row.cells) for row in plain]


@given(st.lists(st.one_of(IDS, st.text("a\0é", max_size=80)), min_size=1, max_size=12))
def test_a_hash_is_that_of_the_text_whatever_is_beside_it(texts: list[str]) -> None:
    found = repeats._hashes_of(texts).tolist()
    assert found == [repeats._hashes_of([text])[0] for text in texts]
    assert len(set(found)) == len(set(texts))


def test_ids_whose_hashes_are_equal_are_still_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    real = repeats._hashes_of
    monkeypatch.setattr(repeats, "_hashes_of", lambda keys: real(keys) * 0)
    assert {row.outcome.status for row in staged([("p1", "Ada"), ("p2", "Ada"), ("p3", "Ada")], 2, marked=True)} == {Status.PENDING}


def test_where_too_many_are_repeated_the_ledger_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_REPEATED", 1)
    found = Repeats(None)
    found.add(frames([("p1", "Ada"), ("p1", "Ada"), ("p2", "Ada"), ("p2", "Ada")], 4)[0])
    assert found.found() is None
    found.close()


def test_of_a_list_whose_id_column_is_not_known_nothing_is_said() -> None:
    found = Repeats("other")
    found.add(frames([("p1", "Ada"), ("p1", "Ada")], 2)[0])
    assert found.found() is None
    found.close()
