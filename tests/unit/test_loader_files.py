"""What a list is read from: files, stdin, pipes; and what is none."""

import contextvars
import hashlib
import io
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from campaign.domain.errors import InputError, StoppedError
from campaign.loader import limits, source
from campaign.loader.formats.file_format import CSV, DOCUMENT, LINES
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from tests.unit.loader_given import read, refused

LIST = b"id,name\n1,Anna\n2,Bo\n"


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary files are made in."""
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "List.CSV"
    path.write_bytes(LIST)
    with open_table(str(path)) as table:
        assert (table.name, table.source.path, table.format) == (str(path), path, CSV)
        assert table.source.sha256 == hashlib.sha256(LIST).hexdigest()
    assert path.exists()


def test_stdin_is_a_csv_file_that_only_its_owner_can_read_and_that_is_removed(monkeypatch: pytest.MonkeyPatch, copies: Path) -> None:
    give_stdin(monkeypatch, LIST)
    with open_table("-") as table:
        assert (table.name, table.rows, table.source.sha256) == ("stdin", 2, hashlib.sha256(LIST).hexdigest())
        assert [table.source.path] == list(copies.iterdir())
        assert stat.S_IMODE(table.source.path.stat().st_mode) == 0o600
        assert [rows_of(frame) for frame in table.frames()] == [[("1", "Anna"), ("2", "Bo")]]
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"id,name\n1\n", "too_few_values"),
        (b"PAR1" + bytes(20) + b"PAR1", "wrong_kind_of_file"),
        (LIST * 100, "file_too_large"),
    ],
)
def test_nothing_is_left_of_a_stdin_that_is_no_list(monkeypatch: pytest.MonkeyPatch, copies: Path, data: bytes, code: str) -> None:
    give_stdin(monkeypatch, data)
    monkeypatch.setattr(limits, "FILE_BYTES", 1_000)
    with pytest.raises(InputError) as caught:
        open_table("-")
    assert caught.value.code == code
    assert list(copies.iterdir()) == []


def test_a_table_that_nobody_closes_leaves_nothing_when_the_process_ends(tmp_path: Path) -> None:
    script = "from campaign.loader.table import open_table; table = open_table('-'); print(table.source.path, table.rows)"
    done = subprocess.run(
        [sys.executable, "-c", script], input=LIST, capture_output=True, check=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    path, rows = done.stdout.decode().split()
    assert rows == "2"
    assert Path(path).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read_like_a_file(tmp_path: Path, copies: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(LIST,))
    writer.start()
    with open_table(pipe) as table:
        writer.join()
        assert table.name == str(pipe)
        assert [rows_of(frame) for frame in table.frames()] == [[("1", "Anna"), ("2", "Bo")]]
    assert list(copies.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_that_nothing_writes_into_is_not_waited_for_without_end(
    tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "WRITER_SECONDS", 0.0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(pipe).code == "no_writer"
    assert list(copies.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("has_writer", [False, True])
def test_waiting_for_a_pipe_ends_when_the_command_is_stopped(tmp_path: Path, copies: Path, *, has_writer: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    looks = iter([0, 0, 143])

    def read() -> None:
        source.STOP_CODE.set(lambda: next(looks))
        with pytest.raises(StoppedError) as caught:
            open_table(pipe)
        assert (caught.value.exit_code, caught.value.code) == (143, "interrupted")

    writer = os.open(pipe, os.O_RDWR) if has_writer else None
    contextvars.copy_context().run(read)
    if writer is not None:
        os.close(writer)
    assert list(copies.iterdir()) == []


def test_a_missing_file_is_searched_for_beside(tmp_path: Path) -> None:
    (tmp_path / "Promo.csv").write_bytes(LIST)
    (tmp_path / "unlike.txt").write_bytes(LIST)
    missing = refused(tmp_path / "promos.csv")
    assert (missing.code, missing.suggestions) == ("no_file", [str(tmp_path / "Promo.csv")])
    assert refused(tmp_path / "zzzzzzzz").code == "no_file"
    assert refused(tmp_path / "nowhere" / "promo.csv").code == "no_file"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "is_a_folder"
    assert refused("/dev/null").code == "not_a_file"
    assert refused("list\0.csv").code == "file_not_readable"
    assert refused(tmp_path / ("x" * 5_000)).code == "file_not_readable"
    empty = tmp_path / "empty.xlsx"
    empty.touch()
    assert refused(empty).code == "empty_file"


UNREADABLE = """
import os, sys
import campaign.loader.table, campaign.loader.formats.csv, campaign.domain.errors
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    campaign.loader.table.open_table(sys.argv[1])
except campaign.domain.errors.InputError as error:
    print(error.code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(LIST)
    path.chmod(0)
    done = subprocess.run([sys.executable, "-c", UNREADABLE, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "file_not_readable\n"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("list.csv", b"PK\x03\x04rest", "wrong_kind_of_file"),
        ("list.csv", b"PAR1rest", "wrong_kind_of_file"),
        ("list.csv", b"%PDF-1.7", "wrong_kind_of_file"),
        ("list.csv", b"\x89PNG\r\n\x1a\nrest", "wrong_kind_of_file"),
        ("list.csv", b"\x1f\x8brest", "damaged_file"),
        ("list.csv", b"\xfd7zXZ\0rest", "wrong_kind_of_file"),
        ("list.csv", b"SQLite format 3\0", "wrong_kind_of_file"),
        ("list.csv", b"\xef\xbb\xbf \n<!DOCTYPE html><html>", "wrong_kind_of_file"),
        ("list.csv", b"<?xml version='1.0'?>", "wrong_kind_of_file"),
        (
            "list.csv",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest",
            "wrong_kind_of_file",
        ),
        (
            "list.xlsx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest",
            "damaged_file",
        ),
        ("list.parquet", LIST, "wrong_kind_of_file"),
        ("list.xlsx", LIST, "wrong_kind_of_file"),
        ("list.xls", LIST, "wrong_kind_of_file"),
        ("list.XLSM", LIST, "wrong_kind_of_file"),
        ("list.ods", LIST, "wrong_kind_of_file"),
        ("list.numbers", LIST, "wrong_kind_of_file"),
        ("list.csv.gz", b"\x1f\x8b", "damaged_file"),
        ("list.csv.zip", b"PK\x03\x04", "wrong_kind_of_file"),
        ("list.dat", b"%PDF-1.7", "wrong_kind_of_file"),
        ("list", b"\xfd7zXZ\0", "wrong_kind_of_file"),
    ],
)
def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert refused(path).code == code


@pytest.mark.parametrize("name", ["list", "list.dat", "list.txt", "list.tsv", "list.2027-03-01"])
def test_a_text_file_of_any_name_is_a_list(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(LIST)
    assert read(path) == (("id", "name"), [("1", "Anna"), ("2", "Bo")])


OBJECT = b'{"pass_id": "a", "first_name": "Ann"}'
DOCUMENTS = [
    b"[" + OBJECT + b"]",
    b'\xef\xbb\xbf\n [\n  {\n    "pass_id": "a"\n  }\n]\n',
    b'{"passes": [' + OBJECT + b"]}",
    b'{\n  "passes": []\n}\n',
    b'["a", "b"]',
    b"[1, 2]",
    b"[]",
    ("\ufeff[" + OBJECT.decode() + "]").encode("utf-16-le"),
]


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.tsv", "list.json", "list"])
@pytest.mark.parametrize("data", DOCUMENTS)
def test_a_json_document_is_said_to_be_one_under_any_name(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert refused(path).content == DOCUMENT


@pytest.mark.parametrize("data", DOCUMENTS)
def test_a_json_document_on_stdin_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, copies: Path, data: bytes) -> None:
    give_stdin(monkeypatch, data)
    with pytest.raises(InputError) as caught:
        open_table("-")
    assert (caught.value.file, caught.value.content) == ("stdin", DOCUMENT)
    assert list(copies.iterdir()) == []


def test_json_lines_are_read_under_a_name_that_says_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = OBJECT + b"\n" + OBJECT + b"\n"
    for name in ("list.json", "list.jsonl", "list"):
        path = tmp_path / name
        path.write_bytes(lines)
        assert read(path) == (("pass_id", "first_name"), [("a", "Ann"), ("a", "Ann")])
    path = tmp_path / "list.csv"
    path.write_bytes(lines)
    assert refused(path).content == LINES
    give_stdin(monkeypatch, lines)
    with pytest.raises(InputError) as caught:
        open_table("-")
    assert caught.value.content == LINES


@pytest.mark.parametrize("header", ["[id],[name]", "{id},{name}", "[1]x,name", '"{""a"": 1}",name', "[true story],name"])
def test_a_header_in_brackets_is_no_json(tmp_path: Path, header: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{header}\n1,Anna\n", encoding="utf-8")
    assert read(path)[1] == [("1", "Anna")]
