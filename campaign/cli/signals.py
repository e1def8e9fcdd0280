"""First Ctrl-C, SIGTERM or closed terminal: no new sends, what is in flight settles. Second: at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from campaign.app.sending import Stop
from campaign.cli.logs import tell
from campaign.loader.source import STOP_CODE

AT_ONCE_SECONDS: Final = 1.0
"""What a second signal leaves for recording that the sends under way are in doubt; the ledger would find it out without that, too."""


def listen() -> Stop:
    """A `Stop` that the process's signals set; to be called inside the event loop."""
    stop = Stop(gently=asyncio.Event(), now=asyncio.Event())
    # A list that comes out of a pipe is waited for in a thread.
    STOP_CODE.set(lambda: stop.exit_code if stop.gently.is_set() else 0)
    loop = asyncio.get_running_loop()
    for number in _heeded():
        loop.add_signal_handler(number, _heard, stop, number)
    return stop


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals end the process as usual while a person is asked and nothing is under way."""
    before = {number: signal.getsignal(number) for number in _heeded()}
    for number in before:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """A closed terminal is a reason to stop, except for a process that was told to outlive it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def _heard(stop: Stop, number: signal.Signals) -> None:
    if stop.gently.is_set():
        stop.now.set()
        asyncio.get_running_loop().call_later(AT_ONCE_SECONDS, os._exit, stop.exit_code)
        return
    stop.exit_code = 128 + number
    stop.gently.set()
    tell("stopping", "Stopping: no new sends; waiting up to 10 s for the ones under way. Again to stop at once.")
