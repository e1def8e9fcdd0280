"""Whatever the bytes: a table that can be read to its end, or an InputError; nothing else, and nothing that takes for ever."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.domain.errors import InputError
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from tests.console.conftest import quick_start

__all__ = ["quick_start"]

pytestmark = pytest.mark.fuzz

ROWS = [(f"{number:05}", f"Nämé {number}", "x" * (number % 7)) for number in range(50)]
COLUMNS = ("id", "name", "note")


def read_or_refuse(path: Path) -> bool:
    """Whether the file is a list."""
    try:
        with open_table(path) as table:
            rows = [row for frame in table.frames() for row in rows_of(frame)]
    except InputError:
        return False
    assert len(rows) == table.rows > 0
    assert {len(row) for row in rows} == {len(table.columns)}
    return True


@given(st.binary(max_size=400))
@example(b"\xff\xfe")
@example(b"sep=;")
@example(b"\xef\xbb\xbfsep=;\nid;x\n1;2")
@example(b'"')
@example(b'a\n"\r')
@example(b"\r\n\r\n\ra\r\nb")
@example(b"\x00\x00\xfe\xff\x00\x00\x00a")
@example(b"id;x\n1;a\r2\0")
@example(b"id;x\n1;" + b"y" * 140_000 + b"\0")
@example(b"PK\x05\x06" + bytes(18))
def test_any_bytes_named_csv(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    read_or_refuse(path)


@given(st.text(alphabet='id,;\t|"\n\r 1aä\0=', max_size=80), st.sampled_from(["utf-8", "cp1252", "utf-16"]))
def test_any_text_named_csv(tmp_path_factory: pytest.TempPathFactory, text: str, codec: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text.csv"
    path.write_bytes(text.encode(codec))
    read_or_refuse(path)


def csv_file() -> bytes:
    return "\r\n".join(";".join(row) for row in (COLUMNS, *ROWS)).encode("cp1252")


def parquet_file() -> bytes:
    buffer = io.BytesIO()
    columns = {name: [row[position] for row in ROWS] for position, name in enumerate(COLUMNS)}
    pq.write_table(pa.table(columns), buffer, row_group_size=20, compression="zstd")
    return buffer.getvalue()


def xlsx_file() -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate((COLUMNS, *ROWS)):
            sheet.write_row(number, 0, row)
        sheet.write_formula(20, 2, "=NA()", None, "#N/A")
    return buffer.getvalue()


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A file after one or a few accidents: cut off, a piece replaced, single bytes changed, the end more often than the rest."""
    found = bytearray(data)
    match dice.randrange(4):
        case 0:
            del found[dice.randrange(1, len(found)) :]
        case 1:
            start = dice.randrange(len(found))
            found[start : start + dice.randrange(20)] = dice.randbytes(dice.randrange(20))
        case _:
            for _ in range(dice.choice((1, 1, 2, 5, 20))):
                anywhere, near_end = dice.randrange(len(found)), len(found) - 1 - int(dice.expovariate(1 / 400)) % len(found)
                found[dice.choice((anywhere, near_end))] = dice.randrange(256)
    return bytes(found)


@pytest.mark.parametrize(("make", "suffix", "files"), [(csv_file, ".csv", 300), (parquet_file, ".parquet", 6), (xlsx_file, ".xlsx", 6)])
@pytest.mark.parametrize("seed", range(3))
def test_damaged_files(tmp_path: Path, make: Callable[[], bytes], suffix: str, files: int, seed: int) -> None:
    dice = random.Random(seed)
    data = make()
    path = tmp_path / f"list{suffix}"
    path.write_bytes(data)
    assert read_or_refuse(path)
    lists = 0
    for _ in range(files):
        path.write_bytes(damaged(data, dice))
        lists += read_or_refuse(path)
    assert lists < files
