"""From a table to staged rows, also where the list is a results file that went through people's spreadsheets."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import Layout
from campaign.domain.model import RESULT_COLUMNS, UNSENT, Invalid, Outcome, ResultRow, StagedRow
from campaign.domain.status import Status
from campaign.loader.formats.frames import rows_of
from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.template import WORK_UNITS
from campaign.loader.stage import Stager
from campaign.loader.table import open_table
from campaign.reporter.files.results import write_results
from tests.errors import raises
from tests.examples import examples
from tests.unit.loader_given import reading_here
from tests.unit.reporter_given import DELIVERED, FAILED, INVALID, PENDING, UNKNOWN, by_column


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with reading_here():
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Rows that need no file."""

    columns: tuple[str, ...]
    found: Sequence[tuple[str, ...]]
    most: int = 5000

    def frames(self) -> Iterator[pd.DataFrame]:
        for at in range(0, len(self.found), self.most):
            yield pd.DataFrame(self.found[at : at + self.most], columns=list(self.columns), dtype="str")


def stage(columns: Sequence[str], rows: Sequence[tuple[str, ...]], messages: Messages | None = None) -> list[StagedRow]:
    layout = Layout.of(columns, id_column=None, file="list.csv", spreadsheet=True)
    table = Given(columns=tuple(columns), found=rows)
    return [row for batch in Stager(layout=layout, messages=messages).batches(table.frames()) for row in batch]


def stage_file(path: Path) -> list[StagedRow]:
    with open_table(path) as table:
        layout = Layout.of(table.columns, id_column=None, file=table.name, spreadsheet=table.format.is_spreadsheet)
        return [row for batch in Stager(layout=layout, messages=None).batches(table.frames()) for row in batch]


def of_results(**delivery: str) -> StagedRow:
    cells = {"pass_id": "p1"} | dict.fromkeys(RESULT_COLUMNS, "") | {"delivery_message": "Hi!"}
    cells |= {name if name == "pass_id" else f"delivery_{name}": text for name, text in delivery.items()}
    return stage(tuple(cells), [tuple(cells.values())])[0]


def template(message: str, columns: Sequence[str]) -> Messages:
    return plan_messages(columns, message=message, template=None, templates=None)


ID = st.sampled_from(["p1", "0F" * 20, "", " p2 ", "1.23E+15", "ä", ".."])
NAME = st.sampled_from(["Ada", "", "\u200b", "x" * 400, "{{", "Zoë", '"\\" \n\x7f', "\x00\t\x1f"])
ZONE = st.sampled_from(["", "Europe/Berlin", " UTC ", "nowhere"])


@given(
    st.lists(st.tuples(ID, NAME, ZONE), min_size=1, max_size=12),
    st.integers(1, 12),
    st.sampled_from(["Hi {{ name }}", "Hi {{ name | upper }}", "Hi"]),
    st.booleans(),
)
def test_many_rows_at_once_become_what_each_does_by_itself(rows: list[tuple[str, ...]], size: int, message: str, known: bool) -> None:  # noqa: FBT001 - a parameter of the test
    columns = ("pass_id", "name", "time_zone")
    layout = Layout.of(columns, id_column=None, file="list.csv", spreadsheet=True)
    messages = template(message, columns)
    whole, single = (Stager(layout=layout, messages=messages, zones_must_be_known=known) for _ in range(2))
    batches = list(whole.batches(Given(columns=columns, found=rows, most=size).frames()))
    assert [row for batch in batches for row in batch] == [single._row(number, cells, {}) for number, cells in enumerate(rows, 1)]
    assert [row for batch in batches for row in (batch[at] for at in range(len(batch)))] == [row for batch in batches for row in batch]
    assert whole.content_sha256 == hashlib.sha256("".join("\x1f".join(cells) + "\x1e" for cells in rows).encode()).hexdigest()


def test_an_absurd_row_is_invalid_alone() -> None:
    columns = ("pass_id", "n")
    loops = template("{% for i in range(n | int) %}{% for j in range(n | int) %}{% endfor %}{% endfor %}Hi", columns)
    few = [(f"p{number}", "10000" if number == 3 else "2") for number in range(10)]
    assert [row.outcome.reason for row in stage(columns, few, loops)] == ["", "", "", Invalid.TEMPLATE_FAILED, *[""] * 6]


def test_too_many_absurd_rows_stop_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.loader.messages.template.MAX_WASTED_UNITS", 5 * WORK_UNITS)
    columns = ("pass_id", "n")
    loops = template("{% for i in range(n | int) %}{% for j in range(n | int) %}{% endfor %}{% endfor %}Hi", columns)
    with raises(InputError, "too_much_work", row=6):
        stage(columns, [(f"p{number}", "10000") for number in range(100)], loops)


def test_many_rows_that_are_found_out_at_once_cost_nothing_and_stop_nothing() -> None:
    columns = ("pass_id", "n")
    rows = [(f"p{number}", "9" * 15) for number in range(3_000)]
    found = stage(columns, rows, template("{% for i in range(n | int) %}{% endfor %}Hi", columns))
    assert {row.outcome.reason for row in found} == {Invalid.TEMPLATE_FAILED}


@pytest.mark.parametrize(
    ("message", "reason"), [("", Invalid.EMPTY_MESSAGE), (" \u200b", Invalid.EMPTY_MESSAGE), ("a\x1b[0m", Invalid.BAD_MESSAGE)]
)
@pytest.mark.parametrize("status", ["pending", "failed", "unknown"])
def test_a_message_that_was_edited_until_it_can_not_be_sent(status: str, message: str, reason: Invalid) -> None:
    row = of_results(status=status, message=message, attempts="2")
    assert (row.outcome.status, row.outcome.reason) == (Status.INVALID, reason)
    assert row.outcome.attempts == 2


def test_a_message_of_a_results_file_is_sent_as_it_was_braces_and_length_too() -> None:
    for message in ("{{ wanted }}", "x" * 4_000):
        assert of_results(status="pending", message=message).message == message
    assert of_results(status="pending", message="a\r\nb").message == "a\nb"


@pytest.mark.parametrize("status", ["delivered", "not_delivered", "accepted", "skipped"])
def test_what_is_settled_keeps_its_outcome_whatever_became_of_its_cells(status: str) -> None:
    row = of_results(pass_id="1.23E+15", status=status, message="")
    assert row.outcome == Outcome(status=Status(status))


@pytest.mark.parametrize("status", ["pending", "failed", "unknown", "invalid"])
def test_an_id_that_a_spreadsheet_has_changed_is_never_sent_to(status: str) -> None:
    assert of_results(pass_id="1,23E+15", status=status).outcome.reason == Invalid.MANGLED_ID


def test_an_invalid_row_is_judged_anew_and_sent_once_it_is_corrected() -> None:
    said = {"status": "invalid", "reason": "no_id", "error": "The row has no pass id."}
    assert of_results(**said).outcome == UNSENT
    assert of_results(**said).message == "Hi!"
    still = of_results(**said, pass_id="").outcome
    assert (still.status, still.reason) == (Status.INVALID, Invalid.NO_ID)
    columns = ("pass_id", "name", *RESULT_COLUMNS)
    row = (
        "p1",
        "Ada",
        *("invalid" if name == "delivery_status" else "missing_field" if name == "delivery_reason" else "" for name in RESULT_COLUMNS),
    )
    (corrected,) = stage(columns, [row], template("Hi {{ name }}", columns))
    assert (corrected.message, corrected.outcome) == ("Hi Ada", UNSENT)
    (still_empty,) = stage(columns, [("p1", "", *row[2:])], template("Hi {{ name }}", columns))
    assert still_empty.outcome.reason == Invalid.MISSING_FIELD


def test_an_invalid_row_without_a_message_is_not_judged_where_nobody_gives_one() -> None:
    row = of_results(status="invalid", reason="message_too_long", error="It is too long.", message="")
    assert (row.outcome.status, row.outcome.reason, row.outcome.error) == (Status.INVALID, Invalid.MESSAGE_TOO_LONG, "It is too long.")


@pytest.mark.parametrize("trace", ["attempts", "sent_at", "settled_at", "http_status", "notification_status"])
def test_an_invalid_row_that_may_have_been_sent_before_is_not_sent_again(trace: str) -> None:
    value = {"attempts": "1", "http_status": "200", "notification_status": "delivered"}.get(trace, "2027-01-02T03:04:05Z")
    assert of_results(status="invalid", reason="no_id", **{trace: value}).outcome.status is Status.INVALID


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    ["=1+1", "'=1+1", "-10 % today", "+49 123", "@home", " =x", "\N{FULLWIDTH EQUALS SIGN}1", "a;b", 'say "hi"', "a\nb", "0012", "Zoë,€"]
)
OUTCOMES = st.sampled_from(
    [
        DELIVERED,
        FAILED,
        PENDING,
        INVALID,
        UNKNOWN,
        replace(DELIVERED, status=Status.NOT_DELIVERED, notification_status="notDelivered"),
        replace(DELIVERED, status=Status.ACCEPTED, notification_status=""),
        Outcome(status=Status.SKIPPED, reason="duplicate"),
    ]
)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, OUTCOMES), min_size=1, max_size=6)


def resaved_as_csv(path: Path, *, separator: str = ",", codec: str = "utf-8", line_end: str = "\r\n") -> Path:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerows(rows)
    path.write_bytes(text.getvalue().encode(codec))
    return path


def resaved_as_workbook(path: Path) -> Path:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    there = path.with_suffix(".xlsx")
    with xlsxwriter.Workbook(str(there), {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}) as workbook:
        sheet = workbook.add_worksheet(path.stem)
        for number, row in enumerate(rows):
            for position, cell in enumerate(row):
                sheet.write_string(number, position, cell)
    return there


def workbook_saved_as_csv(path: Path) -> Path:
    with open_table(path) as table:
        rows = [table.columns, *(row for frame in table.frames() for row in rows_of(frame))]
    there = path.with_suffix(".csv")
    with there.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return there


SAVED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "csv": (".csv", lambda path: path),
    "csv with semicolons": (".csv", lambda path: resaved_as_csv(path, separator=";", codec="utf-8-sig")),
    "csv with tabs in UTF-16": (".csv", lambda path: resaved_as_csv(path, separator="\t", codec="utf-16")),
    "csv without a mark": (".csv", lambda path: resaved_as_csv(path, line_end="\n")),
    "csv as a workbook": (".csv", resaved_as_workbook),
    "parquet": (".parquet", lambda path: path),
    "xlsx": (".xlsx", lambda path: path),
    "xlsx as csv": (".xlsx", workbook_saved_as_csv),
}


@pytest.mark.parametrize(("suffix", "saved"), SAVED.values(), ids=SAVED.keys())
@pytest.mark.fuzz
@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)
@given(rows=ROWS)
def test_a_results_file_comes_back_as_it_was_however_it_was_saved(
    tmp_path: Path, suffix: str, saved: Callable[[Path], Path], rows: list[tuple[str, str, Outcome]]
) -> None:
    columns = ("pass_id", "=name")
    before = [
        ResultRow(row=number, pass_id="", message=f"{text} Hi!".strip(), cells=(f"p{number}", cell), outcome=outcome)
        for number, (cell, text, outcome) in enumerate(rows, start=1)
    ]
    path = tmp_path / f"promo{suffix}"
    write_results(path, campaign="promo", columns=columns, parts=by_column(before), failed=None)
    after = stage_file(saved(path))
    assert [row.cells for row in after] == [row.cells for row in before]
    assert [row.message for row in after] == [row.message for row in before]
    for one, other in zip(after, before, strict=True):
        latency, expected = one.outcome.latency_seconds, other.outcome.latency_seconds
        assert latency == expected if expected is None else latency == pytest.approx(expected, abs=0.0001)
        # There is nothing wrong with the row as it stands, whatever there was.
        kept = UNSENT if other.outcome is INVALID else other.outcome
        assert replace(one.outcome, latency_seconds=None) == replace(kept, latency_seconds=None)


@given(order=st.permutations(range(4)), left_out=st.sets(st.integers(0, 3), max_size=3))
@pytest.mark.fuzz
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_are_moved_or_removed_keep_what_became_of_them(tmp_path: Path, order: list[int], left_out: set[int]) -> None:
    outcomes = [DELIVERED, FAILED, PENDING, UNKNOWN]
    rows = [ResultRow(row=n + 1, pass_id="", message="Hi!", cells=(f"p{n}",), outcome=outcome) for n, outcome in enumerate(outcomes)]
    path = tmp_path / "promo.parquet"
    write_results(path, campaign="promo", columns=("pass_id",), parts=by_column(rows), failed=None)
    kept = [place for place in order if place not in left_out]
    pq.write_table(pq.read_table(path).take(kept), path)
    assert [(row.pass_id, row.outcome.status) for row in stage_file(path)] == [(f"p{place}", outcomes[place].status) for place in kept]
