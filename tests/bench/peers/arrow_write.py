"""The least that a results file can cost: pyarrow writes the same table, which it has in memory, to another file.

python -m tests.bench.peers.arrow_write RESULTS.parquet TO.csv|TO.parquet

Prints the seconds of writing alone.
"""

import sys
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

if __name__ == "__main__":
    table = pq.read_table(sys.argv[1])
    to = Path(sys.argv[2])
    began = time.perf_counter()
    if to.suffix == ".csv":
        pyarrow.csv.write_csv(table, to)
    else:
        pq.write_table(table, to)
    print(time.perf_counter() - began)
