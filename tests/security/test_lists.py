"""Lists made to harm whoever opens them: they are read as the texts they hold, or refused in a sentence, and reach for nothing."""

import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from campaign.domain.errors import InputError
from tests.examples import slow_after
from tests.unit.loader_given import measure, read

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
ABSOLUTE = "/tmp/campaign-evil.txt"  # noqa: S108 - it must not be written
WORKBOOK = "xl/workbook.xml"
LAUGHS = b'<!DOCTYPE x [<!ENTITY l0 "lol">%s]>' % b"".join(
    b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10)
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as made:
        sheet = made.add_worksheet()
        for row, text in enumerate(["id", "one", "two"]):
            sheet.write_string(row, 0, text)
    return path


def changed(path: Path, part: str, old: bytes, new: bytes, *, encoding: str = "utf-8") -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            data = before.read(name)
            if name == part:
                assert old in data
                data = data.replace(old, new)
                if encoding != "utf-8":
                    data = data.decode().replace("UTF-8", encoding).encode(encoding)
            after.writestr(name, data)
    path.write_bytes(buffer.getvalue())


def told(path: Path) -> str:
    """Everything that comes of a list: its cells, or the sentence that refuses it."""
    try:
        columns, rows = read(path)
    except InputError as error:
        return str(error)
    return repr((columns, rows))


@pytest.mark.parametrize("encoding", slow_after(1, ["utf-8", "utf-16"]))
@pytest.mark.parametrize(("part", "element"), [(WORKBOOK, b"<workbook"), (SHEET, b"<worksheet"), (STRINGS, b"<sst")])
def test_no_entity_expands_in_any_part_in_any_encoding(book: Path, part: str, element: bytes, encoding: str) -> None:
    changed(book, part, element, LAUGHS + element, encoding=encoding)
    with zipfile.ZipFile(book) as archive:
        data = archive.read(part)
    assert len(data) < 10_000
    said, megabytes = measure(book)
    assert megabytes < 200, said


@pytest.mark.parametrize("scheme", ["file://{}", "{}"])
@pytest.mark.parametrize(("part", "element"), [(SHEET, b"<worksheet"), (STRINGS, b"<sst")])
def test_no_entity_reads_a_file(book: Path, tmp_path: Path, part: str, element: bytes, scheme: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("what nobody may read")
    doctype = f'<!DOCTYPE x [<!ENTITY secret SYSTEM "{scheme.format(secret)}">]>'.encode()
    changed(book, part, element, doctype + element)
    if part == STRINGS:
        changed(book, part, b"<t>one</t>", b"<t>one&secret;</t>")
    assert "what nobody may read" not in told(book)


@pytest.mark.parametrize(
    "name", slow_after(2, ["../../evil.txt", ABSOLUTE, "xl/../../evil.txt", "..\\evil.txt", "xl/worksheets/../../../evil.txt"])
)
def test_a_part_with_a_way_out_of_the_archive_is_written_nowhere(book: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(book, "a") as archive:
        archive.writestr(name, "evil")
    before = set(tmp_path.parent.rglob("*"))
    assert "one" in told(book)
    assert set(tmp_path.parent.rglob("*")) == before
    assert not Path(ABSOLUTE).exists()


def test_a_sheet_outside_of_the_archive_is_not_read(book: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.xml").write_text("<worksheet><sheetData><row><c><v>what nobody may read</v></c></row></sheetData></worksheet>")
    changed(book, "xl/_rels/workbook.xml.rels", b'"worksheets/sheet1.xml"', f'"file://{tmp_path}/evil.xml" TargetMode="External"'.encode())
    assert "what nobody may read" not in told(book)


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx", "list.parquet"])
def test_a_cell_of_a_million_characters_is_named(tmp_path: Path, name: str) -> None:
    path, long = tmp_path / name, "x" * 1_000_000
    match path.suffix:
        case ".csv":
            path.write_text(f"id,text\n1,a\n2,{long}\n")
        case ".parquet":
            pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", long]}), path)
        case _:
            with xlsxwriter.Workbook(str(path)) as made:
                sheet = made.add_worksheet()
                for place, text in enumerate(["id", "text", "1", "a", "2", "LONG"]):
                    sheet.write_string(place // 2, place % 2, text)
            changed(path, STRINGS, b"LONG", long.encode())
    with pytest.raises(InputError, match=r"has (more than 131,072|1,000,000) characters") as refused:
        read(path)
    assert refused.value.row == 2


def test_metadata_of_a_parquet_file_is_not_believed_to_be_small(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    table = pa.table({"id": ["1"]}).replace_schema_metadata({b"pandas": b"{" * 30_000_000, b"ARROW:schema": b"x" * 1000})
    pq.write_table(table, path, store_schema=False)
    said, megabytes = measure(path)
    assert "Traceback" not in said
    assert megabytes < 250
