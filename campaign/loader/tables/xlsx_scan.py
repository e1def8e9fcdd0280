"""A worksheet's XML, looked at before it is loaded: how far its cells reach, and its error cells.

calamine holds the whole rectangle around a sheet's cells, so that two cells in a file of 2 kB can take gigabytes; and it hands out an
error such as #N/A as an empty cell.
"""

import re
from typing import Final

_REFERENCE: Final = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]*)(\d+)["']""")
_ERROR: Final = re.compile(rb"""<(?:\w+:)?c\s([^>]*\bt\s*=\s*["']e["'][^>]*)>.*?<(?:\w+:)?v[^>]*>([^<]*)<""", re.DOTALL)
_ROW_BYTES: Final = 16 << 20
_TAG_ENDS: Final = (b" ", b">", b"/", b"\n", b"\t", b"\r")
_ROW_TAG: Final = re.compile(rb"<(?:\w+:)?row[ >/\n\t\r]")
_WITH_PREFIX: Final = {tag: re.compile(rb"<\w+:%s[ >/\n\t\r]" % tag) for tag in (b"c", b"row")}


class EndlessRowError(ValueError):
    """A row of more bytes than a row can have."""


class SheetScan:
    """Takes a sheet's XML block by block; `finish` after the last.

    `cells` are those with an element, empty ones too; `rows` and `columns` are the rectangle that has to be held. `errors` are the
    texts of error cells, by row and column, both from 0.
    """

    def __init__(self) -> None:
        self.cells = 0
        self.errors: dict[tuple[int, int], str] = {}
        self._last_row = 0
        self._last_column = 0
        self._rows_without_reference = 0
        self._cells_without_reference = 0
        self._widest = 0
        self._rest = b""

    @property
    def rows(self) -> int:
        return self._last_row + self._rows_without_reference

    @property
    def columns(self) -> int:
        return self._last_column + (self._widest if self._cells_without_reference else 0)

    def feed(self, block: bytes) -> None:
        data = self._rest + block
        cut = max(data.rfind(b"<row"), data.rfind(b":row"))  # with or without a namespace's prefix
        if cut < 0:
            self._rest = data
            if len(data) > _ROW_BYTES:
                raise EndlessRowError
            return
        self._rest = data[cut:]
        self._take(data[:cut])

    def finish(self) -> None:
        self._take(self._rest)
        self._rest = b""

    def _take(self, data: bytes) -> None:
        """Whole rows."""
        references = _REFERENCE.findall(data)
        letters = {column for column, _ in references}
        if references:
            self._last_row = max(self._last_row, *(int(row) for row in {row for _, row in references}))
            self._last_column = max(self._last_column, *(column_number(column) for column in letters))
        cell_references = sum(1 for column, _ in references if column)
        cells = _count(data, b"c")
        self.cells += cells
        self._rows_without_reference += max(0, _count(data, b"row") - (len(references) - cell_references))
        if cells > cell_references:
            self._cells_without_reference += cells - cell_references
            self._widest = max(self._widest, *(_count(row, b"c") for row in _ROW_TAG.split(data)))
        if b'"e"' in data or b"'e'" in data:
            self._take_errors(data)

    def _take_errors(self, data: bytes) -> None:
        for attributes, text in _ERROR.findall(data):
            if place := _REFERENCE.search(b" " + attributes):
                column, row = place.groups()
                self.errors[int(row) - 1, column_number(column) - 1] = text.decode("utf-8", "replace").strip()


def _count(data: bytes, tag: bytes) -> int:
    """How many elements of this name begin in the data, with a namespace's prefix or without."""
    start = b"<" + tag
    found = data.count(start + b" ")
    if found != data.count(start):  # seldom: no attributes, or another name that begins so
        found = sum(data.count(start + end) for end in _TAG_ENDS)
    return found + (len(_WITH_PREFIX[tag].findall(data)) if b":" + tag in data else 0)


def column_number(letters: bytes) -> int:
    """A column's number from its letters: 1 for A, 16,384 for XFD, 0 for none."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
