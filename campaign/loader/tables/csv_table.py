"""CSV files as tables, by the csv module in strict mode: pandas fills up short rows without a word."""

import csv
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from campaign.loader.tables.csv_check import check, next_row
from campaign.loader.tables.csv_encoding import find_encoding
from campaign.loader.tables.csv_lines import BadLineError, CsvFile, first_lines
from campaign.loader.tables.csv_separator import find_separator
from campaign.loader.tables.header import Header
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import Batch, Format, Limits, Table

_ROWS_AT_ONCE: Final = 20
_BATCH_BLOCKS: Final = 16
"""A batch ends after this many blocks of text even if it could have more rows: long rows must not add up to gigabytes."""


def open_csv(source: Source, limits: Limits) -> Table:
    """A CSV file as a table; raises InputError if it can't be read as one from start to end."""
    encoding = find_encoding(source.path)
    separator = find_separator(first_lines(source.path, encoding.codec))
    file = CsvFile(source=source, codec=encoding.codec, separator=separator, line_characters=limits.line_characters)
    header, rows, lines = check(file, limits)
    guess = " (a guess: if letters look wrong, save the list as CSV UTF-8)" if encoding.guessed else ""
    return Table(
        source=source,
        format=Format.CSV,
        columns=header.columns,
        rows=rows,
        description=f"CSV in {encoding.label}{guess}, {separator.description}",
        encoding=encoding.label,
        guessed=encoding.guessed,
        separator=separator.character,
        lines=lines,
        read=partial(_read, file, header, rows),
    )


def _read(file: CsvFile, header: Header, rows: int, size: int) -> Iterator[Batch]:
    width = len(header.names)
    pick = header.pick()
    lines, reader = file.start()
    lines.row_began = sys.maxsize  # no row is endless: they have been checked
    batch: Batch = []
    left = rows
    end = _BATCH_BLOCKS
    try:
        next_row(reader)  # the header
        while left and (some := list(islice(reader, min(_ROWS_AT_ONCE, size - len(batch))))):
            # A row of another width is a blank line: anything else was refused by the check.
            batch += [pick(cells) for cells in some if len(cells) == width]
            if left < len(batch):
                del batch[left:]
            if len(batch) == size or lines.blocks > end:
                yield batch
                left -= len(batch)
                batch = []
                end = lines.blocks + _BATCH_BLOCKS
    except (BadLineError, csv.Error):
        raise file.source.changed() from None
    if batch:
        yield batch
