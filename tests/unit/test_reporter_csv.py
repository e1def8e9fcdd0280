"""Results as CSV: what a spreadsheet shows, and that reading back gives exactly what went in."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaign.domain.model import RESULT_COLUMNS, Outcome, ResultRow
from campaign.domain.status import Status
from campaign.domain.text.formula_escape import escape_formula, unescape_formula
from campaign.insights import iso
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from campaign.reporter.files.formats import neutralised, time_texts, write_csv
from campaign.reporter.frames import TEXT, milliseconds, schema_of, tables
from tests.unit.reporter_given import DELIVERED, FAILED, OWN, PENDING, by_column, row

CELLS = (
    "=1+1",
    "+49 170",
    "-5",
    "@home",
    "'quoted",
    "'=quoted formula",
    "''-5",
    " =1+1",
    "\t=1+1",
    "＝1+1",  # noqa: RUF001 - spreadsheets run the full-width form too
    "a;b",
    "a,b",
    'say "hi"',
    '"',
    "two\nlines",
    "two\r\nlines",
    "old\rMac",
    "\nfirst",
    "0049170",
    "1.0",
    "1E5",
    "TRUE",
    "",
    " blanks around ",
    "Zoë Łukasz 李 👩‍👩‍👧 e\u0301",
    "\ufeffmark",
    "tab\there",
)

text = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.text(st.sampled_from("=+-@'\t\r\n\" ,;a1＝"), max_size=6),  # noqa: RUF001 - (same)
    st.sampled_from(CELLS),
)


def csv_of(rows: list[ResultRow], columns: tuple[str, ...] = OWN) -> bytes:
    sink = io.BytesIO()
    schema = schema_of(columns)
    write_csv(sink, schema, tables(by_column(rows), schema=schema, campaign="promo"))
    return sink.getvalue()


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def test_a_file_in_full() -> None:
    assert csv_of([row(1), row(2, FAILED), row(3, PENDING)]).decode() == (
        "\ufeffpass_id,name,delivery_status,delivery_reason,delivery_message,delivery_notification_status,delivery_notification_message,"
        "delivery_http_status,delivery_error,delivery_attempts,delivery_sent_at,delivery_settled_at,delivery_latency_ms,delivery_campaign,"
        "delivery_row\r\n"
        "pass-0001,Näme 1,delivered,,Hi!,delivered,Delivered succesfully,200,,1,"
        "2025-10-09T08:53:20.250Z,2025-10-09T08:53:20.500Z,234.6,promo,1\r\n"
        'pass-0002,Näme 2,failed,http_404,Hi!,,,404,"{""errors"": [""Pass, not found""]}",1,'
        "2025-10-09T08:53:21.000Z,2025-10-09T08:53:21.125Z,125.0,promo,2\r\n"
        "pass-0003,Näme 3,pending,,Hi!,,,,,0,,,,promo,3\r\n"
    )


def test_no_rows_leave_the_header() -> None:
    assert parsed(csv_of([])) == [[*OWN, *RESULT_COLUMNS]]


@given(st.lists(st.tuples(text, text, text), min_size=1, max_size=8))
@example([(cell, cell, cell) for cell in CELLS])
@settings(deadline=None)
def test_every_cell_comes_back_exactly(cells: list[tuple[str, str, str]]) -> None:
    outcomes = [Outcome(status=Status.FAILED, reason=third, notification_message=first, error=third) for first, _, third in cells]
    rows = [
        row(n, outcome, cells=cell[:2], message=cell[2]) for n, (cell, outcome) in enumerate(zip(cells, outcomes, strict=True), start=1)
    ]
    header, *lines = parsed(csv_of(rows))
    for (first, second, third), line in zip(cells, lines, strict=True):
        found = dict(zip(header, map(unescape_formula, line), strict=True))
        assert (found["pass_id"], found["name"], found["delivery_message"]) == (first, second, third)
        assert (found["delivery_reason"], found["delivery_notification_message"], found["delivery_error"]) == (third, first, third)


@given(st.lists(st.tuples(text, text), min_size=1, max_size=8))
@settings(deadline=None)
def test_what_is_written_is_what_neutralise_says(cells: list[tuple[str, str]]) -> None:
    _, *lines = parsed(csv_of([row(n, cells=cell) for n, cell in enumerate(cells, start=1)]))
    assert [tuple(line[:2]) for line in lines] == [(escape_formula(first), escape_formula(second)) for first, second in cells]


def test_no_first_character_is_passed_over_that_neutralise_would_change() -> None:
    every = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code <= 0xDFFF]
    texts = ["", *every, *(f"{character}=1" for character in every)]
    assert neutralised(pa.array(texts, TEXT)).to_pylist() == list(map(escape_formula, texts))


def test_column_names_and_the_campaign_are_neutralised_too() -> None:
    sink = io.BytesIO()
    schema = schema_of(("=cmd", "name"))
    write_csv(sink, schema, tables(by_column([row(1)]), schema=schema, campaign="-promo"))
    header, line = parsed(sink.getvalue())
    assert header[0] == "'=cmd"
    assert line[header.index("delivery_campaign")] == "'-promo"


def test_a_nul_from_a_reply_does_not_spoil_the_file() -> None:
    _, line = parsed(csv_of([row(1, Outcome(status=Status.FAILED, error="a\0b"))]))
    assert "a\ufffdb" in line


def test_the_loader_reads_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(csv_of([row(n, cells=(f"id-{n}", cell), message=cell) for n, cell in enumerate(CELLS, start=1)]))
    with open_table(path) as table:
        assert table.columns == (*OWN, *RESULT_COLUMNS)
        found = [line for frame in table.frames() for line in rows_of(frame)]
    at = table.columns.index("delivery_message")
    assert [unescape_formula(line[1]) for line in found] == list(CELLS)
    assert [unescape_formula(line[at]) for line in found] == list(CELLS)


@given(st.lists(st.one_of(st.just(0.0), st.floats(min_value=1.0, max_value=4e9)), min_size=1, max_size=20))
@example([1_759_999_999.9999999, 1_760_000_000.0009996, 1_760_000_000.001, 0.0])
@settings(deadline=None)
def test_times_read_as_everywhere_else(seconds: list[float]) -> None:
    ms = milliseconds(seconds)
    times = pa.array(ms.astype("datetime64[ms]"), mask=ms == 0, type=pa.timestamp("ms", tz="UTC"))
    assert time_texts(times).to_pylist() == [iso(second) for second in seconds]
    assert [bool(one) for one in ms.tolist()] == [second != 0 for second in seconds]


@given(st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e17)), min_size=1, max_size=20))
@example([0.0, 0.05, 0.123, 1e11, 123456789.1])
@settings(deadline=None)
def test_latencies_are_written_as_python_writes_them(seconds: list[float | None]) -> None:
    rows = [row(n, replace(DELIVERED, latency_seconds=second)) for n, second in enumerate(seconds, start=1)]
    header, *lines = parsed(csv_of(rows))
    at = header.index("delivery_latency_ms")
    expected = ["" if second is None else str(float(np.round(second * 1000, 1))) for second in seconds]
    assert [line[at] for line in lines] == expected


def test_rows_of_another_width_than_the_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="3 cells"):
        csv_of([row(1, DELIVERED, cells=("a", "b", "c"))])
