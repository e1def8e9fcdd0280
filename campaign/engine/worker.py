"""Runs in a worker's process: it sends as a single command does, and reports only how it ended.

It logs nothing: Ray stores the output of its processes, and lists contain customers' names.
"""

import asyncio
import os
from collections.abc import Callable
from importlib.metadata import version

from campaign.app.open_ledger import find_whole, opened_ledger
from campaign.app.sending.send import send
from campaign.domain.errors import StoppedError, UsageError, fault_of, problem_of
from campaign.engine.protocol import SILENCE_SECONDS, STOPPED, Broken, Order
from campaign.sender.port import Silence
from campaign.sender.stop import End, StopRequest, happens_within


class Worker:
    """One process that sends. Once stopped, it never sends again. `leave` ends the process."""

    def __init__(self, leave: Callable[[int], None] = os._exit) -> None:
        self._stop = StopRequest()
        self._leave = leave
        self._heard_at = 0.0
        self._forsaken = False
        self._registered = asyncio.Event()
        self._told = asyncio.Event()
        self._refused = ""
        self._sending: asyncio.Task[End | Broken] | None = None

    async def register(self, order: Order) -> End | Broken | None:
        """Register a runner of the campaign, which waits for `send`; returns None, or how it ended without one.

        If a runner of this process waits or sends, this is another call about it.
        """
        if self._sending is None or self._sending.done():
            self._registered.clear()
            self._told.clear()
            self._sending = asyncio.create_task(self._ended(order))
        registered = asyncio.create_task(self._registered.wait())
        await asyncio.wait([registered, self._sending], return_when=asyncio.FIRST_COMPLETED)
        registered.cancel()
        return self._sending.result() if self._sending.done() else None

    async def send(self, *, refused: str = "") -> End | Broken:
        """Let the registered runner send, until the campaign has ended, or `stop`; or end it, if it says why sending is refused."""
        if self._sending is None:
            return Broken(why="Its process was lost before it sent, and another has replaced it.", away=True)
        self._refused = refused
        self._told.set()
        return await self._sending

    async def _ended(self, order: Order) -> End | Broken:
        """How a run of `_send` ended. It raises nothing, as an exception might contain customers' data."""
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
        async with opened_ledger(order.settings) as (ledger, reader):
            record = find_whole(reader, order.campaign)
            if (record.id, record.created_at) != (order.id, order.created_at):
                raise UsageError(
                    f"The campaign “{order.campaign}” on this machine is not the one of the command: its list was staged again "
                    "meanwhile, or this worker's ledger is not the command's. Run the same command again.",
                    code="other_campaign",
                    campaign=order.campaign,
                )
            return await send(record, ledger, reader, order.settings, observer=Silence(), stop=self._stop, begin=self._begin)

    async def _begin(self) -> None:
        """Wait for `send`."""
        self._registered.set()
        while not await happens_within(self._told, SILENCE_SECONDS / 10):
            if self._stop.gently.is_set():
                self._refused = STOPPED
                break
        if self._refused:
            raise StoppedError(self._refused)
