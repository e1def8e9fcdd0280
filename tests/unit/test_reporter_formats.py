"""Results as Parquet, JSON lines and Excel, read back with readers of other makes."""

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from campaign.domain.errors import UsageError
from campaign.domain.model import RESULT_COLUMNS, ResultRow
from campaign.domain.text.formula_escape import escape_formula
from campaign.reporter.files.formats import write_jsonl, write_parquet
from campaign.reporter.files.target import CELL_UNITS, MOST_ROWS
from campaign.reporter.files.xlsx import CUT_MARK, write_xlsx
from campaign.reporter.frames import FRAME_BYTES, FRAME_ROWS, schema_of, tables
from tests.errors import raises
from tests.unit.reporter_given import FAILED, OWN, PENDING, UNKNOWN, by_column, row

RISKY = ("=1+1", "+49 170", "'quoted", "https://example.com", "0049170", "1E5", "TRUE", "a\nb", "{=1}", "Zoë 👩‍👩‍👧", " blank ", "_x0041_")
STORY = [row(1), row(2, FAILED), row(3, PENDING), row(4, UNKNOWN)]

any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def parquet_of(rows: list[ResultRow]) -> pq.ParquetFile:
    sink = io.BytesIO()
    schema = schema_of(OWN)
    write_parquet(sink, schema, tables(by_column(rows), schema=schema, campaign="promo"))
    return pq.ParquetFile(io.BytesIO(sink.getvalue()))


def jsonl_of(rows: list[ResultRow]) -> list[dict[str, object]]:
    sink = io.BytesIO()
    schema = schema_of(OWN)
    write_jsonl(sink, schema, tables(by_column(rows), schema=schema, campaign="promo"))
    return [orjson.loads(line) for line in sink.getvalue().splitlines()]


def xlsx_of(rows: list[ResultRow], folder: Path, columns: tuple[str, ...] = OWN) -> Path:
    path = folder / "results.xlsx"
    schema = schema_of(columns)
    with path.open("wb") as sink:
        frames = tables(by_column(rows), schema=schema, campaign="promo")
        write_xlsx(sink, schema, frames, path=path, scratch=folder / "scratch")
    return path


def cells_of(path: Path) -> list[list[object]]:
    return [list(line) for line in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()]


def test_parquet_columns_have_their_types() -> None:
    schema = parquet_of(STORY).schema_arrow
    assert schema.names == [*OWN, *RESULT_COLUMNS]
    types = dict(zip(schema.names, schema.types, strict=True))
    assert types["delivery_sent_at"] == types["delivery_settled_at"] == pa.timestamp("ms", tz="UTC")
    assert types["delivery_http_status"] == types["delivery_attempts"] == pa.int32()
    assert (types["delivery_row"], types["delivery_latency_ms"]) == (pa.int64(), pa.float64())
    numbers = {
        "delivery_sent_at",
        "delivery_settled_at",
        "delivery_http_status",
        "delivery_attempts",
        "delivery_row",
        "delivery_latency_ms",
    }
    assert {types[name] for name in types.keys() - numbers} == {pa.string()}


def test_parquet_values() -> None:
    delivered, _, pending, unknown = parquet_of(STORY).read().to_pylist()
    assert delivered == {
        "pass_id": "pass-0001",
        "name": "Näme 1",
        "delivery_status": "delivered",
        "delivery_reason": "",
        "delivery_message": "Hi!",
        "delivery_notification_status": "delivered",
        "delivery_notification_message": "Delivered succesfully",
        "delivery_http_status": 200,
        "delivery_error": "",
        "delivery_attempts": 1,
        "delivery_sent_at": datetime(2025, 10, 9, 8, 53, 20, 250_000, tzinfo=UTC),
        "delivery_settled_at": datetime(2025, 10, 9, 8, 53, 20, 500_000, tzinfo=UTC),
        "delivery_latency_ms": 234.6,
        "delivery_campaign": "promo",
        "delivery_row": 1,
    }
    missing = {"delivery_http_status", "delivery_sent_at", "delivery_settled_at", "delivery_latency_ms"}
    assert {name for name, value in pending.items() if value is None} == missing
    assert {name for name, value in unknown.items() if value is None} == {"delivery_http_status", "delivery_latency_ms"}


def test_parquet_row_groups_are_bounded_and_compressed() -> None:
    many = FRAME_ROWS + 5_000
    file = parquet_of([row(number) for number in range(1, many + 1)])
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [FRAME_ROWS, 5_000]
    assert {groups[0].column(number).compression for number in range(file.metadata.num_columns)} == {"ZSTD"}
    assert file.read(["delivery_row"]).column(0).to_pylist() == list(range(1, many + 1))


def test_parquet_row_groups_of_huge_cells_are_small() -> None:
    huge = [row(number, cells=(f"{number}", "x" * 20_000)) for number in range(1, 5_001)]
    file = parquet_of(huge)
    sizes = [file.metadata.row_group(number).num_rows * 20_000 for number in range(file.metadata.num_row_groups)]
    assert sum(sizes) == 100_000_000
    assert max(sizes) < FRAME_BYTES + 1024 * 20_100


def test_parquet_without_rows_still_has_its_columns() -> None:
    table = parquet_of([]).read()
    assert (table.num_rows, table.column_names) == (0, [*OWN, *RESULT_COLUMNS])


def test_jsonl_values_are_typed() -> None:
    delivered, failed, pending, _ = jsonl_of(STORY)
    assert list(delivered) == [*OWN, *RESULT_COLUMNS]
    assert (delivered["delivery_http_status"], delivered["delivery_latency_ms"], delivered["delivery_row"]) == (200, 234.6, 1)
    assert delivered["delivery_sent_at"] == "2025-10-09T08:53:20.250Z"
    assert failed["delivery_error"] == '{"errors": ["Pass, not found"]}'
    assert {name for name, value in pending.items() if value is None} == {
        "delivery_http_status",
        "delivery_sent_at",
        "delivery_settled_at",
        "delivery_latency_ms",
    }
    assert pending["delivery_reason"] == ""


@given(st.lists(st.tuples(any_text, any_text), min_size=1, max_size=5))
@settings(deadline=None)
def test_parquet_and_jsonl_keep_every_text_as_it_is(cells: list[tuple[str, str]]) -> None:
    rows = [row(number, cells=cell) for number, cell in enumerate(cells, start=1)]
    assert [(line["pass_id"], line["name"]) for line in jsonl_of(rows)] == cells
    assert [(line["pass_id"], line["name"]) for line in parquet_of(rows).read().to_pylist()] == cells


def test_xlsx_texts_are_texts_and_numbers_numbers(tmp_path: Path) -> None:
    path = xlsx_of([row(number, cells=(f"id {number}", cell)) for number, cell in enumerate(RISKY, start=1)], tmp_path)
    header, *lines = cells_of(path)
    assert header == [*OWN, *RESULT_COLUMNS]
    assert [line[1] for line in lines] == [escape_formula(cell) for cell in RISKY]
    first = dict(zip(header, lines[0], strict=True))
    assert (first["delivery_http_status"], first["delivery_latency_ms"]) == (200.0, 234.6)
    assert first["delivery_sent_at"] == "2025-10-09T08:53:20.250Z"
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet


def test_xlsx_looks_like_a_table(tmp_path: Path) -> None:
    path = xlsx_of([row(1, cells=("x" * 80, "y")), row(2, PENDING)], tmp_path)
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert 'ySplit="1"' in sheet
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:O3"/>' in sheet
    assert 'min="1" max="1" width="50.' in sheet
    assert 'min="2" max="2" width="10.' in sheet
    assert sheet.count('s="1"') == len(OWN) + len(RESULT_COLUMNS)


def test_xlsx_without_rows(tmp_path: Path) -> None:
    assert cells_of(xlsx_of([], tmp_path)) == [[*OWN, *RESULT_COLUMNS]]


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_xlsx_cuts_what_no_cell_can_hold_and_marks_it(tmp_path: Path, character: str) -> None:
    units = len(character.encode("utf-16-le")) // 2
    fits, over = character * (CELL_UNITS // units), character * (CELL_UNITS // units + 1)
    _, one, two = cells_of(xlsx_of([row(1, cells=("a", fits)), row(2, cells=("b", over))], tmp_path))
    assert one[1] == fits
    cut = str(two[1])
    assert cut.endswith(CUT_MARK)
    assert over.startswith(cut.removesuffix(CUT_MARK))
    assert CELL_UNITS - 1 <= len(cut.encode("utf-16-le")) // 2 <= CELL_UNITS


def test_xlsx_has_a_limit_and_the_error_names_the_other_formats(tmp_path: Path) -> None:
    schema = schema_of(())
    one = next(tables(by_column([row(1, cells=())]), schema=schema, campaign="promo"))
    frames = [one, pa.table({"delivery_row": range(MOST_ROWS)})]
    path = tmp_path / "results.xlsx"
    with path.open("wb") as sink, raises(UsageError, "too_many_rows"):
        write_xlsx(sink, schema, frames, path=path, scratch=tmp_path / "scratch")


def test_xlsx_has_a_limit_of_columns(tmp_path: Path) -> None:
    columns = tuple(f"column {number}" for number in range(16_384))
    with raises(UsageError, "too_many_columns"):
        xlsx_of([], tmp_path, columns)
