"""The ledger's time: within one boot of the machine, setting the wall clock does not change it, and suspended time counts."""

import time
from functools import cache
from pathlib import Path
from typing import Final, Protocol

LEASE_SECONDS: Final = 30.0
"""How long a runner may send after its last heartbeat."""

VERIFICATION_CLAIM_SECONDS: Final = 30.0
"""How long an unverified row belongs to the process that claimed it: longer than reading one claimed set of rows may take."""

DAY_SECONDS: Final = 86_400.0
"""The period of the daily cap; nothing younger may be purged."""

RECENT_SECONDS: Final = 10.0
"""The period over which the rate of a campaign is measured."""


class Clock(Protocol):
    def ticks(self) -> float:
        """As `ticks`."""

    def wall(self) -> float:
        """Unix seconds by the machine's wall clock."""

    def boot(self) -> str:
        """An id of this boot of the machine; empty if there is none."""


def ticks() -> float:
    """Seconds since some moment of this boot, including suspended time; the same for every process of the machine."""
    # macOS and Windows have no CLOCK_BOOTTIME; their monotonic clock is machine-wide as well.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SystemClock:
    def ticks(self) -> float:
        return ticks()

    def wall(self) -> float:
        return time.time()

    def boot(self) -> str:
        return _boot()


@cache
def _boot() -> str:
    # Read once, as every commit to a ledger needs it, and no process outlives its boot.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def anchor_for(*, known: tuple[str, float, float] | None, boot: str, ticks: float, wall: float) -> float:
    """The anchor: seconds to add to the ticks since this boot to get the ledger's time.

    Within a boot it is the stored one. After another boot it follows the wall clock, but never goes behind the latest time. `known` are the
    boot, the anchor and the latest time in the ledger, if any.
    """
    if known is None:
        return wall - ticks
    known_boot, anchor, latest = known
    if boot and boot == known_boot:
        return anchor
    return max(wall, latest) - ticks
