"""First Ctrl-C or SIGTERM: no new sends, what is in flight settles. Second: at once."""

import asyncio
import signal
import sys

from campaign.app.sending import Stop


def listen() -> Stop:
    """A `Stop` that the process's signals set; to be called inside the event loop."""
    stop = Stop(gently=asyncio.Event(), now=asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in _heeded():
        loop.add_signal_handler(number, _heard, stop, number)
    return stop


def _heeded() -> list[signal.Signals]:
    """A closed terminal is a reason to stop, except for a process that was told to outlive it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def _heard(stop: Stop, number: signal.Signals) -> None:
    if stop.gently.is_set():
        stop.now.set()
        return
    stop.exit_code = 128 + number
    stop.gently.set()
    sys.stderr.write("Stopping: no new sends; waiting up to 10 s for the ones under way. Again to stop at once.\n")
