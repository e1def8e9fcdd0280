"""The results file and the failed rows beside it: what is written, what is refused, and what is left when something goes wrong."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from campaign.app.results.writable import check_writable
from campaign.domain.errors import InputError, LedgerError, UsageError
from campaign.domain.model import RESULT_COLUMNS, ResultRow
from campaign.ledger.records import ROWS_AT_ONCE
from campaign.reporter.files.results import Written, write_results
from campaign.reporter.files.target import CELL_UNITS, MOST_ROWS, Format, failed_path, format_of
from tests.errors import raises
from tests.unit.reporter_given import DELIVERED, FAILED, INVALID, OWN, PENDING, UNKNOWN, by_column, names, row

STORY = [row(1), row(2, FAILED), row(3, PENDING), row(4, INVALID), row(5, UNKNOWN), row(6)]
SUFFIXES = [".csv", ".parquet", ".jsonl", ".xlsx"]


def write(path: Path, rows: list[ResultRow], *, beside: bool = True) -> Written:
    return write_results(path, campaign="promo", columns=OWN, parts=by_column(rows), failed=failed_path(path) if beside else None)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def row_numbers(path: Path) -> list[int]:
    match format_of(path):
        case Format.CSV:
            return [int(line["delivery_row"]) for line in read_csv(path)]
        case Format.PARQUET:
            return [int(line["delivery_row"]) for line in pq.read_table(path).to_pylist()]
        case Format.JSONL:
            return [int(orjson.loads(line)["delivery_row"]) for line in path.read_bytes().splitlines()]
        case Format.XLSX:
            return [
                int(str(line[-1]).removesuffix(".0")) for line in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[1:]
            ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_holds_every_row_in_order_and_the_failed_ones_beside_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"promo{suffix}"
    written = write(path, STORY)
    assert written == Written(results=path, failed=tmp_path / "promo.failed.csv", rows=6, failed_rows=3)
    assert row_numbers(path) == [1, 2, 3, 4, 5, 6]
    failed = read_csv(tmp_path / "promo.failed.csv")
    assert list(failed[0]) == [*OWN, *RESULT_COLUMNS]
    assert [(line["delivery_row"], line["delivery_status"]) for line in failed] == [("2", "failed"), ("4", "invalid"), ("5", "unknown")]
    assert names(tmp_path) == {path.name, "promo.failed.csv"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_long_lists_keep_their_order_over_the_batches(tmp_path: Path, suffix: str) -> None:
    many = 4 * ROWS_AT_ONCE + 3
    rows = [row(number, FAILED if number % 1000 == 0 else DELIVERED) for number in range(1, many + 1)]
    assert write(tmp_path / f"promo{suffix}", rows).failed_rows == 2
    assert row_numbers(tmp_path / f"promo{suffix}") == list(range(1, many + 1))
    assert row_numbers(tmp_path / "promo.failed.csv") == [1000, 2000]


def test_rows_are_read_once_and_never_gathered(tmp_path: Path) -> None:
    alive = most = 0

    class Tracked(str):
        __slots__ = ()

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def rows() -> Iterator[ResultRow]:
        nonlocal alive, most
        for number in range(1, 20 * ROWS_AT_ONCE + 1):
            alive += 1
            most = max(most, alive)
            yield row(number, FAILED, cells=(Tracked(number), ""))

    for suffix in (".csv", ".jsonl"):
        written = write_results(tmp_path / f"r{suffix}", campaign="p", columns=OWN, parts=by_column(rows()), failed=tmp_path / "f.csv")
        assert written.rows == written.failed_rows == 20 * ROWS_AT_ONCE
    assert most <= 3 * ROWS_AT_ONCE


def test_an_older_failed_file_goes_when_no_row_needs_attention(tmp_path: Path) -> None:
    path = tmp_path / "promo.csv"
    assert write(path, STORY).failed is not None
    assert write(path, [row(1), row(2, PENDING)]) == Written(results=path, failed=None, rows=2, failed_rows=0)
    assert names(tmp_path) == {"promo.csv"}


def test_without_a_failed_path_nothing_stands_beside(tmp_path: Path) -> None:
    written = write(tmp_path / "promo.csv", STORY, beside=False)
    assert (written.failed, written.failed_rows) == (None, 3)
    assert names(tmp_path) == {"promo.csv"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_among_the_rows_leaves_the_old_files_and_no_draft(tmp_path: Path, suffix: str) -> None:
    def broken() -> Iterator[ResultRow]:
        for number in range(1, ROWS_AT_ONCE + 2):
            yield row(number, FAILED)
        raise LedgerError("The ledger went away.")

    path = tmp_path / f"promo{suffix}"
    write(path, STORY)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with raises(LedgerError, "ledger"):
        write_results(path, campaign="promo", columns=OWN, parts=by_column(broken()), failed=failed_path(path))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_new_files_are_the_owners_alone_and_old_ones_keep_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "promo.csv"
    write(path, STORY)
    assert [file.stat().st_mode & 0o777 for file in (path, failed_path(path))] == [0o600, 0o600]
    path.chmod(0o644)
    write(path, STORY)
    assert [file.stat().st_mode & 0o777 for file in (path, failed_path(path))] == [0o644, 0o600]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    link = tmp_path / "promo.csv"
    link.symlink_to(tmp_path / "shared" / "there.csv")
    for rows in ([row(1)], [row(1), row(2)]):
        write(link, rows, beside=False)
        assert link.is_symlink()
        assert row_numbers(tmp_path / "shared" / "there.csv") == [one.row for one in rows]
    assert names(tmp_path / "shared") == {"there.csv"}


@pytest.mark.parametrize("columns", [("pass_id", "delivery_row"), ("pass_id", "name", "pass_id")])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, columns: tuple[str, ...]) -> None:
    with raises(InputError, "repeated_column") as raised:
        write_results(tmp_path / "promo.csv", campaign="promo", columns=columns, parts=[], failed=None)
    assert raised.value.column == columns[-1]
    assert not names(tmp_path)


def test_one_file_can_not_be_both(tmp_path: Path) -> None:
    with raises(UsageError, "same_file_twice"):
        write_results(tmp_path / "a.csv", campaign="promo", columns=OWN, parts=[], failed=tmp_path / ".." / tmp_path.name / "a.csv")


@pytest.mark.parametrize("name", ["promo", "promo.txt", "promo.csv.gz", ".csv", "promo.xls"])
def test_other_suffixes_are_refused_with_the_four(name: str) -> None:
    with raises(UsageError, "bad_suffix"):
        format_of(Path(name))


@pytest.mark.parametrize(("name", "expected"), [("a.CSV", Format.CSV), ("b/a.v2.Parquet", Format.PARQUET), ("a.xlsx", Format.XLSX)])
def test_the_suffix_chooses_the_format(name: str, expected: Format) -> None:
    assert format_of(Path(name)) is expected


@pytest.mark.parametrize(("results", "expected"), [("a/promo.csv", "a/promo.failed.csv"), ("promo.v2.xlsx", "promo.v2.failed.csv")])
def test_the_failed_rows_stand_beside_the_results(results: str, expected: str) -> None:
    assert failed_path(Path(results)) == Path(expected)


def test_a_place_that_can_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("pass_id\na\n")
    (tmp_path / "promo.csv").write_text("old")
    check_writable(tmp_path / "promo.csv", list_file=tmp_path / "list.csv", columns=OWN, rows=5)
    check_writable(tmp_path / "promo.xlsx", list_file=tmp_path / "gone.csv", columns=OWN, rows=MOST_ROWS)
    assert (tmp_path / "promo.csv").read_text() == "old"
    assert names(tmp_path) == {"list.csv", "promo.csv"}


def test_no_results_over_the_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("pass_id\na\n")
    (tmp_path / "link.csv").symlink_to("list.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "list.csv")
    for name in ("list.csv", "link.csv", "hard.csv"):
        with raises(UsageError, "over_the_list"):
            check_writable(tmp_path / name, list_file=tmp_path / "list.csv")


def test_no_failed_rows_over_the_list(tmp_path: Path) -> None:
    (tmp_path / "promo.failed.csv").write_text("pass_id\na\n")
    with raises(UsageError, "over_the_list", file=tmp_path / "promo.failed.csv"):
        check_writable(tmp_path / "promo.csv", list_file=tmp_path / "promo.failed.csv")


def test_places_that_can_not_be_written_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "promo.failed.csv").mkdir()
    for name, code, file in (
        ("folder.csv", "is_a_folder", "folder.csv"),
        ("pipe.csv", "not_a_file", "pipe.csv"),
        ("gone/promo.csv", "no_folder", "gone/promo.csv"),
        ("file/promo.csv", "no_folder", "file/promo.csv"),
        ("promo.csv", "is_a_folder", "promo.failed.csv"),
        ("promo.txt", "bad_suffix", "promo.txt"),
    ):
        with raises(UsageError, code, file=tmp_path / file):
            check_writable(tmp_path / name)
    with raises(UsageError, "too_many_rows"):
        check_writable(tmp_path / "a.xlsx", rows=MOST_ROWS + 1)
    with raises(InputError, "repeated_column", column="delivery_status"):
        check_writable(tmp_path / "a.csv", columns=("delivery_status",))


def test_a_folder_that_vanishes_on_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def rows() -> Iterator[ResultRow]:
        yield row(1, FAILED)
        for draft in folder.iterdir():
            draft.unlink()
        folder.rmdir()

    with raises(UsageError, "no_folder"):
        write_results(folder / "promo.csv", campaign="promo", columns=OWN, parts=by_column(rows()), failed=None)
    assert not names(tmp_path)


def test_what_a_sheet_can_not_hold_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    path, list_file = tmp_path / "results.xlsx", tmp_path / "list.csv"
    list_file.touch()

    def check(*rows: tuple[str, ...], to: Path = path) -> None:
        check_writable(to, list_file=list_file, columns=OWN, rows=len(rows), batches=lambda: iter([rows[:1], rows[1:]]))

    check(("a", "x" * CELL_UNITS), ("b", "😀" * (CELL_UNITS // 2)))
    for long in ("x" * (CELL_UNITS + 1), "=" + "x" * (CELL_UNITS - 1), "😀" * (CELL_UNITS // 2 + 1)):
        with raises(InputError, "cell_too_long") as caught:
            check(("a", "b"), ("c", long))
        assert (caught.value.file, caught.value.row, caught.value.column) == (list_file, 2, OWN[1])
        check(("a", "b"), ("c", long), to=tmp_path / "results.csv")
    check_writable(path, rows=MOST_ROWS)
    with raises(UsageError, "too_many_rows"):
        check_writable(path, rows=MOST_ROWS + 1)
    with raises(UsageError, "too_many_columns"):
        check_writable(path, columns=[f"c{number}" for number in range(16_384 - len(RESULT_COLUMNS) + 1)])
    assert names(tmp_path) == {"list.csv"}
