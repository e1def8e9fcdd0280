"""What an Excel sheet can hold."""

from typing import Final

from campaign.domain.errors import UsageError
from campaign.domain.places import Place

MOST_ROWS: Final = 1_048_575
MOST_COLUMNS: Final = 16_384
CELL_UNITS: Final = 32_767
SURELY_FITS: Final = CELL_UNITS // 2 - 1
"""Characters: none of them is more than two units, and an apostrophe may come before them."""
INSTEAD: Final = "Write the results as .csv or .parquet, which have no such limit."


def too_many_rows(path: Place) -> UsageError:
    return UsageError(
        f"{path}: an Excel sheet holds at most {MOST_ROWS:,} rows, and the list has more. {INSTEAD}", code="too_many_rows", file=path
    )


def too_many_columns(path: Place, columns: int) -> UsageError:
    return UsageError(
        f"{path}: an Excel sheet holds at most {MOST_COLUMNS:,} columns, and there are {columns:,}. {INSTEAD}",
        code="too_many_columns",
        file=path,
    )


def fits(text: str) -> bool:
    """Whether a cell can hold a text whole."""
    return len(text) <= SURELY_FITS or len(text.encode("utf-16-le")) <= 2 * CELL_UNITS
