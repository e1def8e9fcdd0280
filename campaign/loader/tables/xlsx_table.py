"""Excel workbooks as tables: the first visible sheet that holds something, as text as Excel's own CSV would have it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from python_calamine import CalamineError, CalamineWorkbook

from campaign.domain.errors import InputError
from campaign.domain.sheet import NO_LINES, SheetLines
from campaign.loader.tables.header import Header
from campaign.loader.tables.source import Source
from campaign.loader.tables.table import CELL_CHARACTERS, Batch, Format, Limits, Table
from campaign.loader.tables.xlsx_archive import SHARED_STRINGS, Archive, SheetPart
from campaign.loader.tables.xlsx_scan import EndlessRowError, SheetScan
from campaign.loader.tables.xlsx_text import cell_text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """How a sheet is read, the same way in both passes. `errors` are the texts of its error cells, by row and column from 0."""

    source: Source
    name: str
    errors: dict[tuple[int, int], str] = field(repr=False)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows from the first to the last that hold something, each with its number in the sheet, from 1.

        Raises:
            InputError: the workbook is damaged.
        """
        with _calamine(self.source) as workbook:
            sheet = workbook.get_sheet_by_name(self.name)
            first_column = sheet.start[1] if sheet.start else 0
            empty: list[tuple[int, list[str]]] = []
            begun = False
            for position, values in enumerate(sheet.iter_rows()):
                cells = [value if type(value) is str else cell_text(value) for value in values]
                if self.errors:
                    self._put_errors(position, first_column, cells)
                if any(cells):
                    yield from empty
                    empty.clear()
                    begun = True
                    yield position + 1, cells
                elif begun:
                    empty.append((position + 1, cells))

    def _put_errors(self, position: int, first_column: int, cells: list[str]) -> None:
        for column, cell in enumerate(cells):
            if not cell:
                cells[column] = self.errors.get((position, first_column + column), "")


def open_xlsx(source: Source, limits: Limits) -> Table:
    """A workbook as a table; raises InputError if it can't be read as one from start to end."""
    with source.path.open("rb") as file:
        archive = Archive(source, file, unpacked_bytes=limits.workbook_bytes)
        parts = archive.sheets()
        scans = _scan(archive, parts, source, limits)
    visible = [part for part in parts if part.visible and scans[part.part].cells]
    for part in visible:
        _check_extent(scans[part.part], part, source, limits)
        sheet = _Sheet(source=source, name=part.name, errors=scans[part.part].errors)
        header, rows, lines = _check(sheet, limits)
        if header is None:
            continue
        others = [other.name for other in visible if other is not part]
        unread = f"; {', '.join(f'“{name}”' for name in others)} not read" if others else ""
        return Table(
            source=source,
            format=Format.XLSX,
            columns=header.columns,
            rows=rows,
            description=f"Excel workbook, sheet “{part.name}”{unread}",
            sheet=part.name,
            lines=lines,
            read=partial(_read, sheet, header),
        )
    hidden = " that is visible" if any(not part.visible for part in parts) else ""
    raise InputError(f"The workbook has no sheet{hidden} with anything in it. Save the list again.", file=source.name)


def _scan(archive: Archive, sheets: list[SheetPart], source: Source, limits: Limits) -> dict[str, SheetScan]:
    """Unpacks every part once, for its real size, and looks at the sheets."""
    scans = {sheet.part: SheetScan() for sheet in sheets}
    strings = 0
    for name in archive.part_names:
        scan = scans.get(name)
        try:
            for block in archive.blocks(name):
                if scan is not None:
                    scan.feed(block)
                elif name == SHARED_STRINGS:
                    strings += block.count(b"<si")
            if scan is not None:
                scan.finish()
        except EndlessRowError:
            raise archive.damaged() from None
    if strings > limits.workbook_cells:
        raise InputError(f"The workbook has {strings:,} texts, more than a list can have. Save it as CSV UTF-8 instead.", file=source.name)
    return scans


def _check_extent(scan: SheetScan, sheet: SheetPart, source: Source, limits: Limits) -> None:
    if max(scan.cells, scan.rows * scan.columns) > limits.workbook_cells:
        problem = (
            f"The sheet “{sheet.name}” reaches over {scan.rows:,} rows and {scan.columns:,} columns, more than a list can have. "
            "Delete the rows and columns around the list, or save it as CSV UTF-8."
        )
        raise InputError(problem, file=source.name)


def _check(sheet: _Sheet, limits: Limits) -> tuple[Header | None, int, SheetLines]:
    """Looks at every row: the header, None if the sheet is empty, the number of data rows, and their lines."""
    found = sheet.rows()
    first, names = next(found, (0, []))
    if not names:
        return None, 0, NO_LINES
    header = Header.check(names, file=sheet.source.name, limits=limits)
    unnamed = bool(header.unnamed)
    rows = 0
    for number, cells in found:
        rows += 1
        if unnamed:
            header.check_unnamed(cells, row=rows, line=number)
        if len(max(cells, key=len)) > CELL_CHARACTERS:
            column = next(position for position, cell in enumerate(cells) if len(cell) > CELL_CHARACTERS)
            problem = f"The value has more than {CELL_CHARACTERS:,} characters. Shorten it."
            raise InputError(problem, file=sheet.source.name, row=rows, line=number, column=header.names[column])
    if not rows:
        problem = f"The sheet “{sheet.name}” has a header but no rows. Add the passes below it, or save the list again."
        raise InputError(problem, file=sheet.source.name)
    if rows > limits.rows:
        raise InputError(f"The list has {rows:,} rows; at most {limits.rows:,} are read. Split it.", file=sheet.source.name)
    return header, rows, SheetLines(first=first + 1)


def _read(sheet: _Sheet, header: Header, size: int) -> Iterator[Batch]:
    pick = header.pick()
    found = sheet.rows()
    next(found)
    batch: Batch = []
    for _, cells in found:
        batch.append(pick(cells))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _calamine(source: Source) -> Iterator[CalamineWorkbook]:
    try:
        with CalamineWorkbook.from_path(source.path) as workbook:
            yield workbook
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(f"The Excel workbook can't be read ({error}). Open it in Excel and save it again.", file=source.name) from None
