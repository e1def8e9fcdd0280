"""Packed lists: read like the file inside, and refused when they are damaged or unpack to too much."""

import bz2
import gzip
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from campaign.loader.formats.file_format import CSV, suffix_of
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from tests.unit.loader_given import read, refused

LIST = "pass_id;name\n0017;Zoë\n0018;\n".encode()
SAID = (("pass_id", "name"), [("0017", "Zoë"), ("0018", "")])


def zst(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


Packer = Callable[[bytes], bytes]
PACKERS: list[tuple[Packer, str]] = [(gzip.compress, ".gz"), (bz2.compress, ".bz2"), (zst, ".zst")]


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(("pack", "ending"), PACKERS)
@pytest.mark.parametrize("name", ["list{}", "LIST.CSV{}", "list.csv"])
def test_a_packed_list_is_read_like_the_file_inside(tmp_path: Path, copies: Path, pack: Packer, ending: str, name: str) -> None:
    path = tmp_path / name.format(ending)
    path.write_bytes(pack(LIST))
    assert read(path) == SAID
    with open_table(path) as table:
        assert (table.format, table.source.original, len(list(copies.iterdir()))) == (CSV, path, 1)
    assert list(copies.iterdir()) == []


def test_a_name_that_promises_more_than_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(LIST)  # a browser has unpacked it
    assert read(path) == SAID


@pytest.mark.parametrize(("pack", "ending"), PACKERS)
def test_one_that_is_cut_off_is_refused_whole_and_leaves_nothing(tmp_path: Path, copies: Path, pack: Packer, ending: str) -> None:
    path = tmp_path / f"list.csv{ending}"
    data = pack(LIST * 10_000)
    for length in (len(data) - 1, len(data) // 2, 12):
        path.write_bytes(data[:length])
        assert refused(path).code == "damaged_file"
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize(("pack", "ending"), PACKERS)
def test_one_that_unpacks_to_too_much_is_not_unpacked_to_its_end(tmp_path: Path, copies: Path, pack: Packer, ending: str) -> None:
    path = tmp_path / f"list.csv{ending}"
    path.write_bytes(pack(LIST * 200_000))
    assert refused(path, limits={"FILE_BYTES": 1_000_000}).code == "file_too_large"
    assert list(copies.iterdir()) == []


def test_what_is_packed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(gzip.compress(LIST)))
    assert refused(path).code == "wrong_kind_of_file"


def test_a_fault_inside_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(LIST + b"0019\n"))
    error = refused(path)
    assert (error.row, error.line, error.column) == (3, 4, "name")


def test_stdin_may_be_packed(monkeypatch: pytest.MonkeyPatch, copies: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LIST))))
    with open_table("-") as table:
        assert [row for frame in table.frames() for row in rows_of(frame)] == SAID[1]
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "head", "suffix"),
    [
        ("list.csv.gz", b"\x1f\x8b", ".csv"),
        ("list.parquet.gz", b"\x1f\x8b", ".parquet"),
        ("list.XLSB", b"PK\x03\x04", ".xlsb"),
        ("list", b"PAR1", ".parquet"),
        ("list", b"PK\x03\x04", ".xlsx"),
        ("list.2027", b"id,n", ".csv"),
        ("list.zip", b"PK\x03\x04", ".zip"),
    ],
)
def test_the_ending_that_an_upload_is_kept_under(name: str, head: bytes, suffix: str) -> None:
    assert suffix_of(name, head) == suffix
