"""Time as a ledger counts it: within one boot of the machine no setting of the wall clock moves it, and a suspended hour counts."""

import time
from functools import cache
from pathlib import Path
from typing import Final, Protocol

LEASE_SECONDS: Final = 30.0
"""How long a runner may send after its last renewal."""

HOLD_SECONDS: Final = 30.0
"""How long who took a doubt has it to himself: longer than the reading of what is taken together may last."""

DAY_SECONDS: Final = 86_400.0
"""How far back a cap on messages per pass looks; nothing younger is forgotten."""

RECENT_SECONDS: Final = 10.0
"""Over how long the rate of a campaign is taken."""


class Clock(Protocol):
    def ticks(self) -> float:
        """Seconds since some moment of this boot, suspended time included; the same for every process of the machine."""

    def wall(self) -> float:
        """Unix seconds, as the machine believes."""

    def boot(self) -> str:
        """What tells this boot of the machine from any other; empty if nothing does."""


class SystemClock:
    def ticks(self) -> float:
        # macOS and Windows have no CLOCK_BOOTTIME; their monotonic clock is machine-wide as well.
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def wall(self) -> float:
        return time.time()

    def boot(self) -> str:
        return _boot()


@cache
def _boot() -> str:
    # Read once, as no process outlives its boot: every commit to a ledger asks for it.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def anchor_for(*, known: tuple[str, float, float] | None, boot: str, ticks: float, wall: float) -> float:
    """What to add to the ticks to get the ledger's time.

    Args:
        known: boot, anchor and latest time that the ledger has stored, if any.
        boot: this boot of the machine.
        ticks: seconds since this boot.
        wall: Unix seconds.

    Returns:
        The stored anchor within the same boot; after another boot one that follows the wall clock, but never goes behind the latest time.
    """
    if known is None:
        return wall - ticks
    known_boot, anchor, latest = known
    if boot and boot == known_boot:
        return anchor
    return max(wall, latest) - ticks
