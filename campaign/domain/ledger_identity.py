"""Whether a ledger still is the same file on the same machine: a copy of it knows nothing of what the other one sends.

Nothing that changes in ordinary use counts: not the host's name, not the path, not the boot.
See docs/developers/decisions/041-ledger-identity.md.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

RECENT_SECONDS: Final = 35 * 86_400.0
"""What was last sent from elsewhere longer ago than this is not sent from there any more; a monthly job still is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerIdentity:
    """What tells a ledger file, where it is now, from a copy of it. What is empty, or 0, can't be known here and tells nothing.

    Attributes:
        machine: the machine's id, as a fingerprint; empty in a container, which has none that lasts.
        adapters: its built-in network adapters, as fingerprints: a machine that was cloned with its id has others.
        inode: the file's number on its file system; a copy has another.
        created_ns: when the file was made, in Unix nanoseconds; numbers are used again, moments are not.
        host: the machine's name, for people.
        path: the file's, for people.
    """

    machine: str
    adapters: frozenset[str]
    inode: int
    created_ns: int
    host: str
    path: str

    def seen(self, here: Self) -> Self:
        """This identity as it is known once it was seen `here`: what can't be known there is kept."""
        return replace(
            here,
            machine=here.machine or self.machine,
            # A container may see adapters that are not its machine's.
            adapters=(here.adapters if here.machine else frozenset()) or self.adapters,
            created_ns=here.created_ns or self.created_ns,
        )


class Difference(StrEnum):
    """Why a ledger is not the one that was sent from."""

    OTHER_MACHINE = "other_machine"
    CLONED_MACHINE = "cloned_machine"
    COPIED_FILE = "copied_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """A ledger that was last sent from elsewhere: from where, when (Unix seconds), and how that is known."""

    difference: Difference
    before: LedgerIdentity
    last_run_at: float

    def matters(self, now: float) -> bool:
        """Whether the one that it was copied from may still be sent from."""
        return now - self.last_run_at < RECENT_SECONDS


def difference(known: LedgerIdentity, here: LedgerIdentity) -> Difference | None:
    """How the ledger is shown to be another than the known one; None where nothing shows it."""
    # A machine that draws a new id at each start, or was installed again, still has its adapters.
    if known.machine and here.machine and not known.adapters & here.adapters:
        if known.machine != here.machine:
            return Difference.OTHER_MACHINE
        if known.adapters and here.adapters:
            return Difference.CLONED_MACHINE
    if known.inode != here.inode or (known.created_ns and here.created_ns and known.created_ns != here.created_ns):
        return Difference.COPIED_FILE
    return None
