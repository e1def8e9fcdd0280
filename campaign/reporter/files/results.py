"""Writes the results file, and beside it the rows that need attention, atomically and in one pass over the ledger's rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaign.atomic import AtomicFile, writing
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location
from campaign.ledger.records import ResultColumns
from campaign.reporter.files.target import Format, format_of, same_file

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that were written. `failed` is None if no row needs attention, or the file was not asked for."""

    results: Location
    failed: Location | None
    rows: int
    failed_rows: int


def write_results(
    path: Location,
    *,
    campaign: str,
    columns: Sequence[str],
    parts: Iterable[ResultColumns],
    failed: Location | None,
    check: Callable[[], None] = lambda: None,
) -> Written:
    """Write the rows in the given order, and those that need attention to `failed` too.

    `check` is called once both files are complete; if it raises, the old ones stay.

    The rows are read once and never all in memory. Both files are complete on disk before either replaces its old file. `failed` is
    replaced first, so that a kill in between can't leave failed rows that are older than the results. If no row needs attention, an old
    `failed` file is removed, because its rows have been settled since. In an object store the upload of the results can fail after that of
    `failed`, which has the same effect as a kill; each file is complete.

    The suffix of `path` determines the format; a symbolic link is written through. `columns` are the list's, without those that results
    add if it was a results file; `parts` has the cells in their order. `failed` is always CSV, and None for no such file.

    Raises:
        UsageError: the path can't be written, or its format can't hold the rows; the old files are unchanged.
        DiskFullError: there is no space left; the old files are unchanged.
        InputError: two columns would have the same name.
    """
    from campaign.reporter.files.formats import CsvEncoder
    from campaign.reporter.frames import needing_attention, schema_of, tables

    format_, schema = format_of(path), schema_of(columns)
    if failed is not None and same_file(path, failed):
        raise UsageError(
            f"{path} can't hold the results and the failed rows as well. Choose another place for one of them.",
            code="same_file_twice",
            file=path,
        )
    rows = failed_rows = 0
    with ExitStack() as stack:
        results = stack.enter_context(AtomicFile(path))
        failures = stack.enter_context(AtomicFile(failed)) if failed is not None else None

        def copied() -> "Iterator[pa.Table]":
            """Every table; the rows that need attention are counted, and written to the failed-rows file."""
            nonlocal rows, failed_rows
            encoder = None
            for table in tables(parts, schema=schema, campaign=campaign):
                failing = needing_attention(table)
                rows, failed_rows = rows + len(table), failed_rows + len(failing)
                if failures is not None and len(failing):
                    with writing(failures.path):
                        encoder = encoder or CsvEncoder(failures.file, schema)
                        encoder.write(failing)
                yield table

        with writing(path):
            _encode(format_, results, schema, copied())
        results.sync()
        if failures is not None and failed_rows:
            failures.sync()
        check()
        if failures is not None and failed_rows:
            failures.commit()
        elif failures is not None:
            failures.remove_target()
        results.commit()
    return Written(results=path, failed=failed if failed_rows else None, rows=rows, failed_rows=failed_rows)


def _encode(format_: Format, draft: AtomicFile, schema: "pa.Schema", tables: "Iterable[pa.Table]") -> None:
    from campaign.reporter.files.formats import WRITERS

    if format_ is Format.XLSX:
        from campaign.reporter.files.xlsx import write_xlsx

        write_xlsx(draft.file, schema, tables, path=draft.path, scratch=draft.temp_path)
    else:
        WRITERS[format_](draft.file, schema, tables)
