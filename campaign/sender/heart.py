"""Keeps a runner's lease, and knows when it has lost it: then nothing more may be sent."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from campaign.domain.errors import LedgerError
from campaign.ledger.port import Ledger, Runner

BEAT_SECONDS: Final = 5.0
MARGIN_SECONDS: Final = 5.0


class Heart:
    """Renews the lease from time to time.

    Args:
        ledger: where the lease stands.
        runner: whose lease it is.
        ticks: seconds that also count while the machine sleeps.
    """

    def __init__(self, ledger: Ledger, runner: Runner, ticks: Callable[[], float]) -> None:
        self._ledger = ledger
        self._runner = runner
        self._ticks = ticks
        self._good_until = ticks() + runner.lease_seconds - MARGIN_SECONDS
        self.activity = "sending"
        self.lost = False

    def beats(self) -> bool:
        """Whether this process may send now."""
        return not self.lost and self._ticks() < self._good_until

    async def run(self) -> None:
        """Renew until cancelled or the lease is lost."""
        while not self.lost:
            await asyncio.sleep(BEAT_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        began = self._ticks()
        # A ledger that can't be written now may be in a moment; until then `beats` turns False in time.
        with suppress(LedgerError):
            if await self._ledger.renew(self._runner, self.activity):
                self._good_until = began + self._runner.lease_seconds - MARGIN_SECONDS
            else:
                self.lost = True
