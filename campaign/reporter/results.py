"""Writes the results file, and beside it the rows that need attention, atomically and in one pass over the ledger's rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from campaign.atomic import AtomicFile, writing
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location
from campaign.ledger.records import ResultColumns
from campaign.reporter.target import Format, Layout, ResultsTarget, failed_path, same_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Format", "ResultsTarget", "Written", "failed_path", "write_results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that were written. `failed` is None if no row needs attention, or the file was not asked for."""

    results: Location
    failed: Location | None
    rows: int
    failed_rows: int


def write_results(
    path: Location, *, campaign: str, columns: Sequence[str], parts: Iterable[ResultColumns], failed: Location | None
) -> Written:
    """Write the rows in the given order, and those that need attention to `failed` too.

    The rows are read once and never all in memory. Both files are complete on disk before either replaces its old file. `failed` is
    replaced first, so that a kill in between can't leave failed rows that are older than the results. If no row needs attention, an old
    `failed` file is removed, because its rows have been settled since. In an object store the upload of the results can fail after that of
    `failed`, which has the same effect as a kill; each file is complete.

    Args:
        path: the results file, also as a URL; its suffix determines the format. A symbolic link is written through.
        campaign: the campaign's name, for `delivery_campaign`.
        columns: the list's columns; without the `delivery_` columns if the list was a results file.
        parts: the rows, with cells in the order of `columns`.
        failed: the file for the rows that need attention, always CSV (see `failed_path`); None for none.

    Raises:
        UsageError: the path can't be written, or its format can't hold the rows; the old files are unchanged.
        DiskFullError: there is no space left; the old files are unchanged.
        InputError: two columns would have the same name.
    """
    from campaign.reporter.frames import tables

    target = ResultsTarget(path=path)
    layout = Layout.of(columns)
    if failed is not None and same_file(path, failed):
        raise UsageError(
            f"{path} can't hold the results and the failed rows as well. Choose another place for one of them.",
            code="same_file_twice",
            file=path,
        )
    with ExitStack() as stack:
        results = stack.enter_context(AtomicFile(path))
        failures = _Failures(stack.enter_context(AtomicFile(failed)), layout) if failed is not None else None
        tally = _Tally(failures=failures)
        with writing(path):
            _encode(target, results, layout, tally.watched(tables(parts, layout=layout, campaign=campaign)))
        results.sync()
        if failures is not None:
            failures.settle(empty=not tally.failed_rows)
        results.commit()
    return Written(results=path, failed=failed if tally.failed_rows else None, rows=tally.rows, failed_rows=tally.failed_rows)


def _encode(target: ResultsTarget, draft: AtomicFile, layout: Layout, tables: "Iterable[pa.Table]") -> None:
    from campaign.reporter.formats import write_csv, write_jsonl, write_parquet

    match target.format:
        case Format.CSV:
            write_csv(draft.file, layout, tables)
        case Format.PARQUET:
            write_parquet(draft.file, layout, tables)
        case Format.JSONL:
            write_jsonl(draft.file, layout, tables)
        case Format.XLSX:
            from campaign.reporter.xlsx_file import write_xlsx

            write_xlsx(draft.file, layout, tables, path=target.path, scratch=draft.temp_path)
        case _:
            assert_never(target.format)


class _Failures:
    """The draft of the failed-rows file."""

    def __init__(self, draft: AtomicFile, layout: Layout) -> None:
        from campaign.reporter.formats import CsvEncoder

        self._draft = draft
        with writing(draft.path):
            self._encoder = CsvEncoder(draft.file, layout)

    def write(self, table: "pa.Table") -> None:
        with writing(self._draft.path):
            self._encoder.write(table)

    def settle(self, *, empty: bool) -> None:
        if empty:
            self._draft.remove_target()
            return
        self._draft.sync()
        self._draft.commit()


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Counts the rows of the tables, and copies those that need attention to the failed-rows file."""

    failures: _Failures | None
    rows: int = 0
    failed_rows: int = 0

    def watched(self, tables: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
        from campaign.reporter.frames import needing_attention

        for table in tables:
            failed = needing_attention(table)
            self.rows += len(table)
            self.failed_rows += len(failed)
            if self.failures is not None and len(failed):
                self.failures.write(failed)
            yield table
