"""The programs of `programs.txt`, which some tests need: by the marker that such a test has."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

# Debian keeps servers where only root's PATH goes.
_PLACES: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`names`: any of these commands will do. `packages`: Debian's."""

    marker: str
    names: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def path(self) -> str | None:
        """Where it is on this machine."""
        return next((path for name in self.names if (path := shutil.which(name, path=_PLACES))), None)

    @property
    def missing(self) -> str:
        """What to do about that it is not there."""
        return f"{self.names[0]} is missing: apt-get install {' '.join(self.packages)}"


@cache
def programs() -> dict[str, Program]:
    return {program.marker: program for program in _read() if program.marker != "bench"}


def _read() -> Iterator[Program]:
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            marker, names, *packages = line.split()
            yield Program(marker=marker, names=tuple(names.split(",")), packages=tuple(packages))
