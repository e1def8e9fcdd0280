"""Deadlines of many tasks at once, with one timer: `asyncio.timeout` makes one for each, which costs more than to parse an answer."""

import asyncio
from types import TracebackType
from typing import Any


class Deadlines:
    """Ends whatever takes longer than `seconds`; None is no limit. Used by one event loop."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        # In the order in which they end, as all last equally long.
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> "Deadline":
        """A deadline for the current task; use it at once, in a `with`."""
        deadline = Deadline(self._running)
        if self._seconds is not None:
            ends_at = self._loop.time() + self._seconds
            self._running[deadline] = ends_at
            if self._timer is None:
                self._timer = self._loop.call_at(ends_at, self._end_overdue)
        return deadline

    def _end_overdue(self) -> None:
        self._timer = None
        now = self._loop.time()
        for deadline, ends_at in list(self._running.items()):
            if ends_at > now:
                self._timer = self._loop.call_at(ends_at, self._end_overdue)
                return
            deadline.pass_()


class Deadline:
    """Cancels its task if the block lasts too long, and makes a TimeoutError of that, as `asyncio.timeout` does."""

    __slots__ = ("_cancelling", "_passed", "_running", "_task")

    def __init__(self, running: "dict[Deadline, float]") -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline is used outside of a task.")
        self._task = task
        self._cancelling = task.cancelling()
        self._running = running
        self._passed = False

    def pass_(self) -> None:
        self._running.pop(self, None)
        self._passed = True
        self._task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.pop(self, None)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
