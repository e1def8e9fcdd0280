"""Which machine, with which versions, when, and at which commit: what a figure means nothing without."""

import datetime as dt
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import apsw

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    sqlite: str
    commit: str
    measured_at: str
    """ISO 8601, UTC, to the minute."""

    @classmethod
    def here(cls) -> Self:
        return cls(
            cpu=cpu_model(),
            cores=os.cpu_count() or 1,
            memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            python=platform.python_version(),
            sqlite=apsw.sqlite_lib_version(),
            commit=_commit(),
            measured_at=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )

    @property
    def in_a_line(self) -> str:
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        return (
            f"{self.cpu}, {cores}, {self.memory_gb:g} GB; {self.system}; Python {self.python}, SQLite {self.sqlite}; "
            f"{self.measured_at}, commit {self.commit}"
        )


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As the kernel names it; where it does not, as on some ARM machines, the architecture."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(named, platform.machine())


def _commit() -> str:
    """Short; marked where files differ from it, unknown outside a clone."""
    try:
        words = ("git", "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*")
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
