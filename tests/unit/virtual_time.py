"""An event loop whose clock is the test's: it never waits, it moves on to when the next thing is due."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now` may be moved forward by whoever runs: that is what its work takes. `late_seconds` says how late each timer is."""

    def __init__(self, late_seconds: Callable[[], float]) -> None:
        self.now = 1000.0
        self._late_seconds = late_seconds
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("Nothing is left to wait for: this would never end.")
        # However little a turn of a loop takes, without it whoever waits for the next moment would wait for ever.
        self.now += seconds + self._late_seconds() if seconds > 0 else 1e-9


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.wait(timeout)
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return found


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]], *, late_seconds: Callable[[], float] = lambda: 0.0) -> T:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(late_seconds)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(work(loop))
