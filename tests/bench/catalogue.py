"""What can be measured, in the order in which it is."""

from collections.abc import Callable, Sequence
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
    """A module of tests/bench with a function `measured`; `module` is its name where that is not the entry's.

    What is not `in_short` runs in a short form among the tests.
    """

    name: str
    title: str
    module: str = ""
    in_short: bool = True

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
    Entry(name="console", title="Console", in_short=False),
    Entry(name="scale", title="Many workers, simulated"),
)


def chosen(names: Sequence[str], *, short: bool) -> list[Entry]:
    """The entries of these names, in the catalogue's order; of no names, all that there are, or all that are in the short form."""
    return [entry for entry in CATALOGUE if (entry.name in names if names else entry.in_short or not short)]
