"""Lists for the tables' tests, and how to read them."""

import subprocess
import sys
from pathlib import Path

import pytest

from campaign.domain.errors import InputError
from campaign.loader.tables import DEFAULT, Limits, Row, open_table


def read(path: Path, *, size: int = 5000, limits: Limits = DEFAULT) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and all rows."""
    with open_table(path, limits=limits) as table:
        batches = list(table.batches(size))
        assert all(0 < len(batch) <= size for batch in batches)
        rows = [row for batch in batches for row in batch]
        assert len(rows) == table.rows
        assert all(type(row) is tuple and len(row) == len(table.columns) for row in rows)
        return table.columns, rows


def refused(path: Path | str, *, limits: Limits = DEFAULT) -> InputError:
    """The error that opening ends with, which names the file and says what to do in whole sentences."""
    with pytest.raises(InputError) as caught:
        open_table(path, limits=limits)
    assert str(path) == str(caught.value.file)
    assert str(caught.value).startswith(f"{path}")
    assert caught.value.problem[0].isupper()
    assert caught.value.problem.endswith((".", "?", ".)"))
    return caught.value


MEASURE = """
import sys
from campaign.domain.errors import InputError
from campaign.loader.tables import open_table
try:
    with open_table(sys.argv[1]) as table:
        print(sum(len(batch) for batch in table.batches()))
except InputError as error:
    print(error.problem)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def measure(path: Path) -> tuple[str, float]:
    """What a process of its own says that reads a list (its rows, or what is wrong), and the most memory it took, in MB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the memory is read from Linux's /proc")
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=100)
    said, kilobytes = done.stdout.splitlines()
    return said, int(kilobytes) / 1024
