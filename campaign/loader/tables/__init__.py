"""Lists of any kind as batches of text rows: `open_table` checks a file from start to end, `Table.batches` then reads it."""

from campaign.loader.tables.opening import open_table
from campaign.loader.tables.table import DEFAULT, Batch, Format, Limits, Row, Table

__all__ = ["DEFAULT", "Batch", "Format", "Limits", "Row", "Table", "open_table"]
