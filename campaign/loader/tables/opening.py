"""From what a person named to a table that can be read."""

from typing import assert_never

from campaign.domain.places import Place
from campaign.loader.tables.formats import recognise
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import DEFAULT, Format, Limits, Table


def open_table(source: Place | str, *, limits: Limits = DEFAULT) -> Table:
    """Look a list through from start to end, so that nothing is begun with one that can't be finished.

    Args:
        source: a .csv, .parquet, .xlsx or .jsonl file, or the URL of one; a pipe, or `-` for CSV on stdin. The first row of a CSV file or a
            sheet is its header: whether it really holds names can't be known.
        limits: how large a list may be.

    Returns:
        The table; close it (or use `with`) to remove what was copied from stdin or a store.

    Raises:
        UsageError: it is a URL that can't be used.
        InputError: the file can't be used, with the file, row and column, and what to do.
    """
    found = Source.find(source, file_bytes=limits.file_bytes)
    try:
        return _open(found, limits)
    except BaseException:
        found.close()
        raise


def _open(source: Source, limits: Limits) -> Table:
    match recognise(source):
        case Format.CSV:
            from campaign.loader.tables.csv_table import open_csv  # noqa: PLC0415 - the other formats' libraries take 0.2 s to import

            return open_csv(source, limits)
        case Format.PARQUET:
            from campaign.loader.tables.parquet_table import open_parquet  # noqa: PLC0415 - (same)

            return open_parquet(source, limits)
        case Format.XLSX:
            from campaign.loader.tables.xlsx_table import open_xlsx  # noqa: PLC0415 - (same)

            return open_xlsx(source, limits)
        case Format.JSONL:
            from campaign.loader.tables.jsonl_table import open_jsonl  # noqa: PLC0415 - (same)

            return open_jsonl(source, limits)
        case never:
            assert_never(never)
