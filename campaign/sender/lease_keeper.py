"""Keeps a runner's lease, and knows when it is lost: then nothing more may be sent."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from campaign.domain.errors import LedgerError
from campaign.ledger.port import Ledger, Runner

HEARTBEAT_SECONDS: Final = 5.0
MARGIN_SECONDS: Final = 5.0
TAKEN_OVER: Final = "Another process took this one for dead and has taken over its rows."


class LeaseKeeper:
    """Renews the lease every 5 s. Before `start` no lease counts as held, as its age is not known.

    `ticks` are seconds that also count while the machine sleeps.
    """

    def __init__(self, ledger: Ledger, runner: Runner, ticks: Callable[[], float]) -> None:
        self._ledger = ledger
        self._runner = runner
        self._ticks = ticks
        self._good_until = -math.inf
        self.activity = "sending"
        self.lease_lost = False

    def is_held(self) -> bool:
        """Whether this process may send now."""
        return not self.lease_lost and self._ticks() < self._good_until

    async def start(self) -> bool:
        """Renew before anything is claimed; False if the lease is already lost, and nothing may be sent.

        Raises:
            LedgerError: the ledger can't be written.
        """
        await self._renew()
        return not self.lease_lost

    async def run(self) -> None:
        """Renew until cancelled or the lease is lost."""
        while not self.lease_lost:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # The next heartbeat may succeed; if none does, `is_held` becomes False before the lease ends.
            with suppress(LedgerError):
                await self._renew()

    async def _renew(self) -> None:
        began = self._ticks()
        if await self._ledger.heartbeat(self._runner, self.activity):
            self._good_until = began + self._runner.lease_seconds - MARGIN_SECONDS
        else:
            self.lease_lost = True
