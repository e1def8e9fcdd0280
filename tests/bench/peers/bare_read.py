"""The least that reading a list can cost: one pass over its rows as tuples of text, and nothing done with them.

python -m tests.bench.peers.bare_read FILE ROWS

By csv.reader, or by pyarrow for .parquet. Ends with 1 if there are not so many rows.
"""

import csv
import sys
from pathlib import Path


def rows_of_csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def rows_of_parquet(path: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - the other pass must not pay for it

    with pq.ParquetFile(path) as file:
        return sum(1 for batch in file.iter_batches() for _ in zip(*(column.to_pylist() for column in batch.columns), strict=True))


if __name__ == "__main__":
    given = Path(sys.argv[1])
    found = rows_of_parquet(given) if given.suffix == ".parquet" else rows_of_csv(given)
    sys.exit(found != int(sys.argv[2]))
