"""A row whose every cell is empty is no pass, in whichever format, and the rows below it keep their lines."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table
from tests.unit.xlsx_given import write_workbook

ROWS = [["a", "Ann"], ["", ""], ["", ""], ["b", ""], ["", "Bo"], ["", ""]]
KEPT = [("a", "Ann"), ("b", ""), ("", "Bo")]


@pytest.mark.parametrize(("suffix", "lines"), [(".csv", [2, 5, 6]), (".xlsx", [2, 5, 6]), (".jsonl", [1, 4, 5]), (".parquet", None)])
def test_blank_rows_are_left_out(tmp_path: Path, suffix: str, lines: list[int] | None) -> None:
    path = tmp_path / f"list{suffix}"
    match suffix:
        case ".csv":
            path.write_text("id,name\n" + "".join(f"{one},{other}\n" for one, other in ROWS), encoding="utf-8")
        case ".xlsx":
            write_workbook(path, [["id", "name"], *ROWS])
        case ".jsonl":
            path.write_text("".join(f'{{"id": "{one}", "name": "{other}"}}\n' for one, other in ROWS), encoding="utf-8")
        case _:
            pq.write_table(pa.table({"id": [row[0] for row in ROWS], "name": [row[1] for row in ROWS]}), path)
    with open_table(path) as table:
        assert (table.rows, table.lines.of_all([1, 2, 3])) == (3, lines)
        assert [row for frame in table.frames() for row in rows_of(frame)] == KEPT
