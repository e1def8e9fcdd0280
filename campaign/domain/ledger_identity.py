"""Whether a ledger is still the same file on the same machine: a copy knows nothing of what the original sends.

For a ledger in PostgreSQL the server is the machine, and the database the file.

Nothing that changes in ordinary use counts: not the host's name, not the path, not the boot.
See docs/developers/decisions/041-ledger-identity.md.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

RECENT_SECONDS: Final = 35 * 86_400.0
"""A ledger that was last sent from elsewhere longer ago than this is no longer used there. A monthly job still is."""

OPENED_AS_COPY: Final = -1
"""The number of a copy once it was opened: put in the place of its original, it has the original's own number again."""

OPENED_BEHIND: Final = -2
"""The same of a copy that lacked, when it was opened, what the original had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerIdentity:
    """What distinguishes a ledger file from a copy of it. An empty value, or 0, is unknown here and decides nothing.

    Attributes:
        machine: the machine's id, as a fingerprint; empty in a container, whose id does not last.
        adapters: the built-in network adapters, as fingerprints: a machine that was cloned with its id has others.
        inode: the file's number on its file system; a copy has another, and `OPENED_AS_COPY` and `OPENED_BEHIND` are none's.
        created_ns: when the file was made, in Unix nanoseconds. A file system reuses numbers, but not this time.
        host: the machine's name, for people.
        path: the file's path, for people.
    """

    machine: str
    adapters: frozenset[str]
    inode: int
    created_ns: int
    host: str
    path: str

    def seen(self, here: Self) -> Self:
        """`here`, with the values that are unknown there taken from this identity."""
        return replace(
            here,
            machine=here.machine or self.machine,
            # A container may see adapters that are not its machine's.
            adapters=(here.adapters if here.machine else frozenset()) or self.adapters,
            created_ns=here.created_ns or self.created_ns,
        )


class Difference(StrEnum):
    """Why a ledger is not the original."""

    OTHER_MACHINE = "other_machine"
    CLONED_MACHINE = "cloned_machine"
    COPIED_FILE = "copied_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """A ledger that was last sent from elsewhere: where, when (Unix seconds), and the difference that shows it.

    `newer_mark` is the file that shows that the ledger lacks what was written to its original; empty if nothing shows that.
    """

    difference: Difference
    before: LedgerIdentity
    last_run_at: float
    newer_mark: str = ""

    def matters(self, now: float) -> bool:
        """Whether the original may still be in use."""
        return now - self.last_run_at < RECENT_SECONDS


def difference(known: LedgerIdentity, here: LedgerIdentity) -> Difference | None:
    """The difference that shows that the ledger is not the known one; None if there is none."""
    # A machine that gets a new id at each start, or was installed again, still has its adapters.
    if known.machine and here.machine and not known.adapters & here.adapters:
        if known.machine != here.machine:
            return Difference.OTHER_MACHINE
        if known.adapters and here.adapters:
            return Difference.CLONED_MACHINE
    return Difference.COPIED_FILE if is_other_file(known, here) else None


def is_other_file(known: LedgerIdentity, here: LedgerIdentity) -> bool:
    """Whether the file is shown to be another, on whichever machine."""
    return known.inode != here.inode or bool(known.created_ns and here.created_ns and known.created_ns != here.created_ns)
