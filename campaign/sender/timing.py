"""When this run may send: the schedule, read off the clock, for the campaign's time zones."""

from collections.abc import Callable
from datetime import UTC, datetime

from campaign.domain.schedule import Schedule
from campaign.ledger.port import Terms


class Timing:
    """What the schedule says now.

    Args:
        schedule: what was asked for.
        zones: of the campaign's rows; to be set anew as rows end, and as others are mended into another zone.
        wall: Unix seconds.
        daily_cap, only: see `ledger.port.Terms`.
    """

    def __init__(
        self,
        schedule: Schedule,
        zones: tuple[str, ...],
        wall: Callable[[], float],
        *,
        daily_cap: int,
        only: tuple[int, ...] | None,
    ) -> None:
        self._schedule = schedule
        self.zones = zones
        self._wall = wall
        self._daily_cap = daily_cap
        self._only = only

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), tz=UTC)

    def terms(self) -> Terms:
        """On which rows may be claimed now."""
        zones = self._schedule.open_zones(self.zones, self.now())
        return Terms(zones=zones, daily_cap=self._daily_cap, only=self._only)

    def may_send(self, zone: str) -> bool:
        """Whether a row of this zone may be sent now: it may have been claimed a while ago."""
        return self._schedule.is_time(zone, self.now())

    def is_over(self) -> bool:
        """Whether no row may be sent any more, be it that the end has come or that no window opens before it."""
        return self._schedule.is_past(self.zones, self.now())

    def opens_at(self) -> datetime | None:
        """When the next row may be sent, if none may be now."""
        now = self.now()
        return None if self._schedule.open_zones(self.zones, now) else self._schedule.next_time(self.zones, now)
