"""One machine in virtual time: an event loop in which nothing waits for real, its processes, and its clocks.

Everything that real time, threads and the scheduler of the system decide elsewhere is decided here by a seed.
"""

import asyncio
import contextvars
import heapq
import math
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from unittest import mock

import campaign.ledger.clock

T = TypeVar("T")

EPOCH: Final = 1_790_000_000.0 - 1_000.0
"""Unix seconds at which every simulation begins, if its wall clock is right."""

LONGEST_SECONDS: Final = 400 * 86_400.0
TURN_SECONDS: Final = 1e-6
TURNS: Final = 300_000
"""More turns of the loop than any campaign needs: what exceeds it spins."""


class StuckError(Exception):
    """Nothing will ever happen any more, or it never ends."""


@dataclass(eq=False)
class Process:
    """What runs on the machine. Killed, nothing of it runs again, no `finally` either; suspended, all of it waits."""

    name: str
    killed: bool = False
    suspended: bool = False
    was_suspended: bool = False
    resumed_at: float = -math.inf
    waiting: list[asyncio.Handle] = field(default_factory=list)


PROCESS: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar("PROCESS", default=None)


class _NoSelector:
    """No file, socket or pipe is ever waited for."""

    def get_map(self) -> dict[int, object]:
        return {}

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is due in an order drawn from a seed, and moves its clock to the next timer when nothing is.

    Args:
        luck: draws the order, and how long threads take.
    """

    _ready: Any
    _scheduled: list[Any]
    _selector: Any
    _stopping: bool

    def __init__(self, luck: random.Random) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._luck = luck
        self._now = 1_000.0
        self._turns = 0

    def time(self) -> float:
        return self._now

    def call_soon_threadsafe(  # type: ignore[override]  # whatever the types of the arguments are
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_later(self._luck.random() * 0.002, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]  # (same)
        """A thread's work, done at one moment of the time that the thread takes."""
        del executor
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - as a thread hands it over
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.call_later(self._luck.random() * 0.005, work)
        return future

    def resume(self, process: Process) -> None:
        """Let a suspended process go on with all that has become due."""
        process.suspended = False
        process.resumed_at = self._now
        self._ready.extend(process.waiting)
        process.waiting.clear()

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        del event_list

    def _run_once(self) -> None:
        self._turns += 1
        # A turn takes time: who waits for a moment that rounding puts just behind its timer would wait for ever.
        self._now += TURN_SECONDS
        if not self._ready and not self._stopping:
            while self._scheduled and self._scheduled[0]._cancelled:
                heapq.heappop(self._scheduled)._scheduled = False
            if not self._scheduled:
                raise StuckError("everything waits for something that will not happen")
            self._now = max(self._now, self._scheduled[0].when())
        if self._now > LONGEST_SECONDS or self._turns > TURNS:
            raise StuckError(f"it has not ended after {self._turns:,} turns and {self._now - 1000:,.0f} seconds")
        while self._scheduled and self._scheduled[0].when() <= self._now:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            self._ready.append(handle)
        batch = list(self._ready)
        self._ready.clear()
        # The order in which tasks become ready is what differs from run to run of a real machine.
        if len(batch) > 1 and self._luck.random() < 0.5:
            self._luck.shuffle(batch)
        for handle in batch:
            process = handle._context.get(PROCESS)
            if handle._cancelled or (process is not None and process.killed):
                continue
            if process is not None and process.suspended:
                process.waiting.append(handle)
            else:
                handle._run()


@dataclass
class Machine:
    """The clocks of the machine on which all processes run."""

    loop: VirtualLoop
    boot: int = 1
    booted_at: float = 0.0
    wall_shift: float = 0.0
    asleep: float = 0.0

    def monotonic(self) -> float:
        return self.loop.time()

    def ticks(self) -> float:
        """Since the boot, with the time that the machine slept."""
        return self.loop.time() + self.asleep - self.booted_at

    def wall(self) -> float:
        return EPOCH + self.loop.time() + self.asleep + self.wall_shift

    def reboot(self) -> None:
        self.boot += 1
        self.booted_at = self.loop.time() + self.asleep

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), tz=UTC)


def start(process: Process, work: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
    """Run this in the process, and all that it begins."""
    context = contextvars.copy_context()
    context.run(PROCESS.set, process)

    async def main() -> T:
        return await work()

    return asyncio.get_running_loop().create_task(main(), name=process.name, context=context)


def outside() -> contextvars.Context:
    """What belongs to no process: it goes on whoever is killed."""
    return contextvars.Context()


@contextmanager
def in_its_time(machine: Machine) -> Iterator[None]:
    """Every clock that the code asks is the machine's."""

    def no_sleep(seconds: float) -> None:
        raise AssertionError(f"the loop was blocked for {seconds} s")

    def since_boot(_: int) -> float:
        return machine.ticks()

    with ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(time, time=machine.wall, monotonic=machine.monotonic, sleep=no_sleep))
        stack.enter_context(mock.patch.object(time, "clock_gettime", since_boot))
        stack.enter_context(mock.patch.object(campaign.ledger.clock, "_boot", machine.boot_id))
        for name, module in list(sys.modules.items()):
            if name.startswith("campaign.") and hasattr(module, "utc_now"):
                stack.enter_context(mock.patch.object(module, "utc_now", machine.utc_now))
        yield
