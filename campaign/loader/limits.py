"""How large a list may be. All limits are far above any real list; they keep a damaged or hostile file from exhausting the memory."""

from typing import Final

FILE_BYTES: Final = 4 << 30
ROWS: Final = 20_000_000
COLUMNS: Final = 1_000
CELL_CHARACTERS: Final = 131_072
"""The limit of Python's csv module."""

LINE_CHARACTERS: Final = 1 << 20
ROW_CHARACTERS: Final = 8 << 20
"""A quoted value may hold line breaks, so one row can span many lines. A row longer than this has a stray quotation mark."""

UNPACKED_BYTES: Final = 2 << 30
"""Of the text that is unpacked from a Parquet file or a workbook, and of what a Parquet file declares."""

WORKBOOK_BYTES: Final = 1 << 30
ROW_GROUPS: Final = 20_000
CHILD_BYTES: Final = 3 << 30
"""The memory of the process that unpacks a Parquet file or a workbook."""

CHILD_SECONDS: Final = 900
"""The processor time of that process."""
