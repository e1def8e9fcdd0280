"""Lists that are packed as .gz, .bz2 or .zst are read like the file inside."""

import bz2
import gzip
import hashlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaign.loader.tables import Format, Limits, open_table
from tests.unit.tables_given import read, refused

LIST = b"id,name\n007,Anna\n2,Bo\n"
ROWS = (("id", "name"), [("007", "Anna"), ("2", "Bo")])


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstd}
packers = pytest.mark.parametrize("ending", PACKERS)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary files are made in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@packers
@pytest.mark.parametrize("name", ["list.csv{}", "list.CSV{}", "list{}", "list.txt{}", "list.csv"])
def test_the_list_inside_is_read_whatever_the_file_is_called(tmp_path: Path, temporary: Path, ending: str, name: str) -> None:
    path = tmp_path / name.format(ending)
    path.write_bytes(PACKERS[ending](LIST))
    assert read(path) == ROWS
    assert not list(temporary.iterdir())


def test_the_list_keeps_the_name_and_hash_of_the_file_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(LIST))
    with open_table(path) as table:
        assert (table.format, table.name, table.source.given) == (Format.CSV, str(path), path)
        assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_other_formats_are_read_packed_too(tmp_path: Path) -> None:
    inside = io.BytesIO()
    pq.write_table(pa.table({"id": ["007", "2"], "name": ["Anna", "Bo"]}), inside)
    path = tmp_path / "list.parquet.gz"
    path.write_bytes(gzip.compress(inside.getvalue()))
    assert read(path) == ROWS
    path = tmp_path / "list.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "007", "name": "Anna"}\n{"id": "2", "name": "Bo"}\n'))
    assert read(path) == ROWS


@packers
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, temporary: Path, ending: str) -> None:
    path = tmp_path / f"list.csv{ending}"
    whole = PACKERS[ending](LIST * 1000)
    for size in (5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refused(path).file == str(path)
    assert not list(temporary.iterdir())


@packers
def test_a_file_that_unpacks_to_more_than_a_list_may_have_is_not_unpacked_to_its_end(tmp_path: Path, temporary: Path, ending: str) -> None:
    path = tmp_path / f"list.csv{ending}"
    path.write_bytes(PACKERS[ending](LIST + b"x" * 5_000_000))
    assert refused(path, limits=Limits(file_bytes=100_000)).file == str(path)
    assert not list(temporary.iterdir())


def test_what_is_wrong_inside_is_said_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(LIST + b"3\n"))
    error = refused(path)
    assert (error.file, error.row) == (str(path), 3)
    path.write_bytes(gzip.compress(gzip.compress(LIST)))
    assert refused(path).file == str(path)
