"""How the loader's tests read lists."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from campaign.domain.errors import InputError
from campaign.loader import limits as limits_module
from campaign.loader.formats import child, frames
from campaign.loader.formats.file_format import FORMATS
from campaign.loader.formats.frames import rows_of
from campaign.loader.table import open_table

Row = tuple[str, ...]


def read(path: Path, *, header_row: int | None = None) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and all rows, kept in a temporary file as those of a long list are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "HELD_BYTES", 1)
        opened = open_table(path, header_row=header_row)
    with opened as table:
        rows = [row for frame in table.frames() for row in rows_of(frame)]
        assert len(rows) == table.rows
        assert all(len(row) == len(table.columns) for row in rows)
        assert all(isinstance(cell, str) for row in rows for cell in row)
        return table.columns, rows


def lines(path: Path, *, header_row: int | None = None) -> list[int]:
    """Where each row is in the file."""
    with open_table(path, header_row=header_row) as table:
        return [line for frame in table.frames() for line in frame.index]


def refused(path: Path | str, *, header_row: int | None = None, limits: Mapping[str, int] | None = None) -> InputError:
    """The error that opening ends with, which names the file and says what to do in whole sentences."""
    with pytest.MonkeyPatch.context() as patch:
        for limit, value in (limits or {}).items():
            patch.setattr(limits_module, limit, value)
        with pytest.raises(InputError) as caught:
            open_table(path, header_row=header_row)
    assert str(path) == str(caught.value.file)
    assert str(caught.value).startswith(f"{path}")
    assert caught.value.problem[0].isupper()
    assert caught.value.problem.endswith((".", "?", ".)"))
    return caught.value


@contextmanager
def reading_here() -> Iterator[None]:
    """What is unpacked in a process of its own is unpacked in this one: starting one takes longer than most lists."""

    def stream(words: list[str]) -> Iterator[Any]:
        head, rows = FORMATS[words[0]].read(Path(words[1]), int(words[2]) if words[2] else None)
        yield head
        yield from child.limited(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "_stream", stream)
        yield


MEASURE = """
import resource
import sys
from campaign.domain.errors import InputError
from campaign.loader.table import open_table
try:
    with open_table(sys.argv[1]) as table:
        print(sum(len(frame) for frame in table.frames()))
except InputError as error:
    print(error.code)
with open("/proc/self/status") as status:
    own = int(next(line.split()[1] for line in status if line.startswith("VmHWM")))
# The larger of this process and of those that it had.
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def measure(path: Path) -> tuple[str, float]:
    """What a process of its own says that reads a list (its rows, or what is wrong), and the most memory it took, in MB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the memory is in kilobytes on Linux only")
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=100)
    said, kilobytes = done.stdout.splitlines()
    return said, int(kilobytes) / 1024
