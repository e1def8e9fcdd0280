"""The times at which the next row may be sent, where it is not the time now: told once each, and kept for the report."""

from datetime import datetime

from campaign.ledger.port import Ledger, Runner
from campaign.ledger.waiting import Why
from campaign.sender.port import Observer


class Openings:
    """One run's."""

    def __init__(self, ledger: Ledger, runner: Runner, observer: Observer) -> None:
        self._ledger = ledger
        self._runner = runner
        self._observer = observer
        self._told: datetime | None = None

    async def tell(self, opens_at: datetime, *, now: datetime, waits: bool) -> None:
        """Tell of it, unless that was done; `waits` is whether the run goes on then, and does not end."""
        if opens_at == self._told:
            return
        self._told = opens_at
        self._observer.event("waiting_for_its_time", until=opens_at.isoformat(timespec="minutes"))
        if waits:
            await self._ledger.note_wait(self._runner.campaign, Why.HOURS, seconds=(opens_at - now).total_seconds())
