"""Small files that unpack to gigabytes: refused, or the end of the process that reads them. The memory is measured in one of its own."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from campaign.domain.errors import InputError
from tests.unit.loader_given import measure, read, reading_here, refused

MEGABYTES = 200
"""Of what refuses a file before it is unpacked."""

CHILD_MEGABYTES = 3_072
"""What the process that unpacks it may take, and no more."""


def repeated(text: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), times), pa.array([text]))


def write(path: Path, column: pa.Array, **options: Any) -> Path:
    pq.write_table(pa.table({"id": column}), path, compression="zstd", **options)
    return path


def test_a_long_value_in_a_dictionary_that_every_row_points_to(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", repeated("x" * 1_000_000, 2_200))  # 2.2 GB
    assert path.stat().st_size < 10_000
    said, megabytes = measure(path)
    assert said == "long_value"
    assert megabytes < CHILD_MEGABYTES


def test_values_that_are_each_short_enough_but_too_much_together(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", repeated("x" * 130_000, 2_000))  # 260 MB
    assert path.stat().st_size < 10_000
    with reading_here():
        assert refused(path, limits={"UNPACKED_BYTES": 200 << 20}).code == "too_much_to_unpack"


def test_values_that_each_repeat_the_one_before(tmp_path: Path) -> None:
    options = {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}, "data_page_size": 1 << 30}
    path = write(tmp_path / "bomb.parquet", pa.array(["x" * 1_000_000] * 300), **options)  # 0.3 GB
    assert path.stat().st_size < 10_000
    said, megabytes = measure(path)
    assert said == "long_value"
    assert megabytes < CHILD_MEGABYTES


def test_a_dictionary_column_of_numbers_is_no_bomb(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", pa.array([1234567] * 300_000))
    assert len(read(path)[1]) == 300_000


def varint(number: int, length: int) -> bytes:
    """A Thrift number (zigzag), padded to a length."""
    number <<= 1
    return bytes((number >> 7 * position & 0x7F) | (0x80 if position < length - 1 else 0) for position in range(length))


def test_a_footer_that_understates_its_pages_is_not_believed(tmp_path: Path) -> None:
    limits = {"UNPACKED_BYTES": 1 << 20}
    path = write(tmp_path / "bomb.parquet", pa.array(["x" * 100_000] * 40), use_dictionary=False, data_page_size=1)
    with reading_here():
        assert refused(path, limits=limits).code == "too_much_to_unpack"
    chunk = pq.read_metadata(path).row_group(0).column(0)
    data = path.read_bytes()
    said = varint(chunk.total_uncompressed_size, 4)
    assert data.count(said) == 2  # of the column, and of the row group
    path.write_bytes(data.replace(said, varint(5_000, 4)))
    assert pq.read_metadata(path).row_group(0).total_byte_size == 5_000
    with reading_here():
        assert refused(path, limits=limits).code == "too_much_to_unpack"


def test_a_value_that_is_longer_than_there_may_be_memory_ends_only_the_process_that_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", repeated("x" * 100_000_000, 1_000))  # 100 GB
    assert "more memory or time" in refused(path, limits={"CHILD_BYTES": 1 << 30}).problem


def test_a_file_that_takes_too_long(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", repeated("x" * 1_000, 12_000_000))
    assert "more memory or time" in refused(path, limits={"CHILD_SECONDS": 1}).problem


@pytest.mark.slow
def test_no_damaged_footer_ends_this_process(tmp_path: Path) -> None:
    # Asked for the sizes of a column of some of these, pyarrow throws an exception that nothing catches.
    path = write(tmp_path / "list.parquet", pa.array(["1", "2", None]))
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    refusals = 0
    for position in range(len(data) - 8 - footer, len(data) - 8, 11):
        path.write_bytes(data[:position] + b"\x23" + data[position + 1 :])
        try:
            read(path)
        except InputError:
            refusals += 1
    assert refusals > 5


def workbook(path: Path, cells: dict[tuple[int, int], str]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for (row, column), text in cells.items():
            sheet.write_string(row, column, text)
    return path


def repacked(path: Path, change: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A workbook with some of its parts replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in dict.fromkeys([*old.namelist(), *change]):
            new.writestr(name, change.get(name) or old.read(name))
    return buffer.getvalue()


def test_two_cells_in_the_corners_of_a_sheet(tmp_path: Path) -> None:
    path = workbook(tmp_path / "bomb.xlsx", {(0, 0): "id", (1, 0): "1", (1_048_575, 16_383): "x"})  # 550 GB as a rectangle
    said, megabytes = measure(path)
    assert said == "too_much_to_unpack"
    assert megabytes < CHILD_MEGABYTES


def test_an_archive_whose_directory_says_that_it_is_too_large(tmp_path: Path) -> None:
    path = workbook(tmp_path / "bomb.xlsx", {(0, 0): "id", (1, 0): "1"})
    data = repacked(path, {"xl/media/image1.png": bytes(123_457)})
    true = struct.pack("<I", 123_457)
    assert data.count(true) == 2  # before the part, and in the directory
    path.write_bytes(data.replace(true, struct.pack("<I", 1_100_000_000)))
    assert refused(path).code == "too_much_to_unpack"


def test_an_archive_whose_directory_understates(tmp_path: Path) -> None:
    path = workbook(tmp_path / "bomb.xlsx", {(0, 0): "id", (1, 0): "1"})
    size = 200 << 20
    data = repacked(path, {"xl/sharedStrings.xml": b"<sst>" + b" " * (size - 5)})
    true = struct.pack("<I", size)
    assert data.count(true) == 2  # before the part, and in the directory
    path.write_bytes(data.replace(true, struct.pack("<I", 1_000)))
    with reading_here():
        assert refused(path, limits={"WORKBOOK_BYTES": 100 << 20}).code == "too_much_to_unpack"


def test_an_entity_that_expands_without_end(tmp_path: Path) -> None:
    path = workbook(tmp_path / "bomb.xlsx", {(0, 0): "id", (1, 0): "1"})
    entities = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
    part = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">' + entities + b"]><workbook>&l9;</workbook>"
    path.write_bytes(repacked(path, {"xl/workbook.xml": part}))
    said, megabytes = measure(path)
    assert said in {"damaged_file", "no_sheet"}
    assert megabytes < MEGABYTES
