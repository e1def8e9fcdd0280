"""What can be measured, in the order in which it is."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from tests.bench.figures import Found


class Measured(Protocol):
    def __call__(self, folder: Path, *, short: bool) -> Found:
        """Measure in this folder, which is removed later; in seconds if it is to be short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A module of tests/bench with a function `measured`; `module` is its name where that is not the entry's."""

    name: str
    title: str
    module: str = ""

    @property
    def measured(self) -> Measured:
        """Imported when it is asked for: some need PostgreSQL, or the console's libraries."""
        found: Callable[..., Found] = import_module(f"tests.bench.{self.module or self.name}").measured
        return cast("Measured", found)


CATALOGUE: Final = (
    Entry(name="sends", title="Sends without a rate"),
    Entry(name="pace", title="Pace"),
    Entry(name="idle", title="Idle cost"),
    Entry(name="startup", title="Start of a command"),
    Entry(name="resume", title="Resume after a kill"),
    Entry(name="staging", title="Staging"),
    Entry(name="report", title="Results files"),
    Entry(name="postgres", title="Ledger in PostgreSQL", module="database"),
    Entry(name="console", title="Console"),
    Entry(name="scale", title="Many workers, simulated"),
)
