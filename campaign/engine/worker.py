"""Runs in a worker's process: it sends as a single command does, and reports only how it ended.

It logs nothing: Ray stores the output of its processes, and lists contain customers' names.
"""

import asyncio
import os
from collections.abc import Callable
from importlib.metadata import version

from campaign.app.open_ledger import find_whole, open_ledger, open_reader
from campaign.app.send import StopRequest, send
from campaign.domain.errors import UsageError, fault_of, problem_of
from campaign.engine.protocol import SILENCE_SECONDS, Broken, Order
from campaign.sender.port import Silence
from campaign.sender.stop import End, happens_within


class Worker:
    """One process that sends. Once stopped, it never sends again. `leave` ends the process."""

    def __init__(self, leave: Callable[[int], None] = os._exit) -> None:
        self._stop = StopRequest()
        self._leave = leave
        self._heard_at = 0.0
        self._forsaken = False

    async def send(self, order: Order) -> End | Broken:
        """Send until the campaign has ended, or `stop`. It raises nothing, as an exception might contain customers' data."""
        if order.version != version("campaign"):
            why = f"A machine of the cluster has Campaign {version('campaign')}, and this is {order.version}. Install the same everywhere."
            return Broken(why=why, for_good=True)
        await self.keepalive()
        watching = asyncio.create_task(self._watch())
        try:
            return await self._send(order)
        except Exception as error:  # noqa: BLE001 - reported as what it is
            problem = problem_of(error)
            why = f"A fault of the program: {type(fault_of(error)).__name__}. Please report it." if problem is None else str(problem)
            return Broken(why=why, for_good=problem is None)
        finally:
            watching.cancel()
            if self._forsaken:
                # Ray may take a minute to see that a command was killed. If the command or this process was only frozen, another process
                # replaces this one, which sends no more even if it hears from the command again.
                self._leave(1)

    async def keepalive(self) -> None:
        """Record that the command is alive."""
        self._heard_at = asyncio.get_running_loop().time()

    async def stop(self, exit_code: int, *, now: bool) -> None:
        self._stop.exit_code = exit_code
        self._stop.gently.set()
        if now:
            self._stop.now.set()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._forsaken:
            if await happens_within(self._stop.gently, SILENCE_SECONDS / 10):
                return
            self._forsaken = clock() - self._heard_at > SILENCE_SECONDS
        self._stop.gently.set()

    async def _send(self, order: Order) -> End:
        ledger, reader = open_ledger(order.settings), open_reader(order.settings)
        try:
            record = find_whole(reader, order.campaign)
            if (record.id, record.created_at) != (order.id, order.created_at):
                raise UsageError(
                    f"The campaign “{order.campaign}” on this machine is not the one of the command: its list was staged again "
                    "meanwhile, or this worker's ledger is not the command's. Run the same command again.",
                    code="other_campaign",
                    campaign=order.campaign,
                )
            return await send(record, ledger, reader, order.settings, observer=Silence(), stop=self._stop)
        finally:
            await ledger.close()
            reader.close()
