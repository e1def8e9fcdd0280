"""Whether a pass can be reached: what its status says, which passes are left out for it, and which way of reading costs less."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from campaign.domain.verdict import Latest, PassReading

FRESH_SECONDS: Final = 6 * 3600.0
"""How old a reading may be that is used again: customers add and remove passes all the time."""

FEW_PASSES: Final = 25
"""So few are read one by one: whether a list of passes would be shorter costs a request, too."""

PAGES_IN_VAIN: Final = 20
"""After so many pages without one of the passes, the organisation's others are not paged through any further."""


class Reach(StrEnum):
    """What reading a pass says of where it is, by the vendor's words where there is one. The order is that in which people are told."""

    IN_WALLET = "in_wallet"
    ISSUED = "issued"
    REMOVED = "removed"
    DEACTIVATED = "deactivated"
    NULLIFIED = "nullified"
    OTHER_STATUS = "other_status"
    UNKNOWN_ID = "unknown_id"
    UNREADABLE = "unreadable"


NOT_IN_WALLET: Final = frozenset({Reach.ISSUED, Reach.REMOVED, Reach.DEACTIVATED, Reach.NULLIFIED})
"""What `--only-reachable` leaves out: what PassEntry says clearly. An unknown id is sent to, and fails, so that somebody corrects it."""

WORDS: Final[Mapping[Reach, str]] = {
    Reach.IN_WALLET: "in a wallet",
    Reach.ISSUED: "issued only: not added to a wallet yet",
    Reach.REMOVED: "removed from the wallet",
    Reach.DEACTIVATED: "deactivated: an iPhone shows no notification",
    Reach.NULLIFIED: "nullified: no longer valid",
    Reach.OTHER_STATUS: "with a status that Campaign does not know",
    Reach.UNKNOWN_ID: "unknown to PassEntry: no such pass",
    Reach.UNREADABLE: "could not be read",
}
_OF_STATUS: Final = {"active": Reach.IN_WALLET} | {reach.value: reach for reach in NOT_IN_WALLET}


def reach_of_status(status: str) -> Reach:
    """What a pass's status means, by the vendor's word."""
    return _OF_STATUS.get(status, Reach.OTHER_STATUS)


def reach_of(reading: PassReading) -> Reach:
    """What one reading says; UNREADABLE where that is nothing about the pass."""
    if reading.http_status in {404, 410} and reading.signature.by_api:
        return Reach.UNKNOWN_ID
    return Reach.UNREADABLE if reading.latest is Latest.UNREADABLE else reach_of_status(reading.pass_status)


def pages_cost_less(*, pages_left: int, passes_left: int, pages_read: int, passes_found: int) -> bool:
    """Whether to read on in the list of all passes, instead of each pass by itself.

    Args:
        pages_left: of the list.
        passes_left: not read yet.
        pages_read: by this process.
        passes_found: on those pages, of the passes that are asked about.
    """
    return pages_left < passes_left and (passes_found > 0 or pages_read < PAGES_IN_VAIN)
