"""Whether a pass can be reached: the meaning of its status, the passes that are left out, and the cheaper way to read."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from campaign.domain.verdict import Latest, PassReading

FRESH_SECONDS: Final = 6 * 3600.0
"""A reading is used again until it is this old: customers add and remove passes all the time."""

FEW_PASSES: Final = 25
"""So few passes are read one by one: it also costs a request to find out whether the list of all passes would be shorter."""

PAGES_IN_VAIN: Final = 20
"""After this many pages without one of the wanted passes, the list of all passes is not read further."""


class Reach(StrEnum):
    """Where a pass is, by its reading, in the vendor's word where there is one. People see the values in this order."""

    IN_WALLET = "in_wallet"
    ISSUED = "issued"
    REMOVED = "removed"
    DEACTIVATED = "deactivated"
    NULLIFIED = "nullified"
    OTHER_STATUS = "other_status"
    UNKNOWN_ID = "unknown_id"
    UNREADABLE = "unreadable"


NOT_IN_WALLET: Final = frozenset({Reach.ISSUED, Reach.REMOVED, Reach.DEACTIVATED, Reach.NULLIFIED})
"""`--only-reachable` skips these, as PassEntry's answer is clear. A send to an unknown id fails, so that somebody corrects it."""

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
    """The reach that the vendor's status of a pass means."""
    return _OF_STATUS.get(status, Reach.OTHER_STATUS)


def reach_of(reading: PassReading) -> Reach:
    """The reach in one reading; UNREADABLE if it says nothing about the pass."""
    if reading.http_status in {404, 410} and reading.signature.by_api:
        return Reach.UNKNOWN_ID
    return Reach.UNREADABLE if reading.latest is Latest.UNREADABLE else reach_of_status(reading.pass_status)


def pages_cost_less(*, pages_left: int, passes_left: int, pages_read: int, passes_found: int) -> bool:
    """Whether to read on in the list of all passes, instead of reading each pass by itself.

    `pages_left` are the pages of the list that are left, `passes_left` the wanted passes that are not read yet, `passes_found` those that
    were on the `pages_read` pages that this process has read.
    """
    return pages_left < passes_left and (passes_found > 0 or pages_read < PAGES_IN_VAIN)
