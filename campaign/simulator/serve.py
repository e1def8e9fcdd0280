"""The simulator as a program of its own, until it is told to end."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Final

import orjson

from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(config: SimulatorConfig, *, json: bool) -> int:
    """Runs until SIGINT or SIGTERM, which is how it is meant to end, and so returns 0.

    Prints one line on stdout as soon as it listens: with `json` an object with `url`, else a sentence.

    Raises:
        UsageError: the port is taken, or the audit file can't be written.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(config, json=json))


async def _serve(config: SimulatorConfig, *, json: bool) -> int:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in _SIGNALS:
        loop.add_signal_handler(signal_number, told_to_end.set)
    async with Simulator(config) as simulator:
        ready = (
            orjson.dumps({"url": simulator.url}).decode() if json else f"PassEntry is simulated at {simulator.url}. Press Ctrl-C to end it."
        )
        sys.stdout.write(f"{ready}\n")
        sys.stdout.flush()
        await told_to_end.wait()
        summary = simulator.summary()
    sys.stderr.write(
        f"The simulator processed {summary.processed} notifications for {summary.distinct_passes} passes, "
        f"{summary.surplus} of them more than once, and answered {summary.throttled} requests with 429.\n"
    )
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - there is none for Windows

    return uvloop.new_event_loop
