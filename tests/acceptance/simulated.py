"""The simulator, forked off a process that has already imported it: most of these tests want one of their own."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

import orjson

from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import serve
from tests.simulator_client import SimulatorClient

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@contextmanager
def simulated(config: SimulatorConfig) -> Iterator[SimulatorClient]:
    """PassEntry in a process of its own, until the block ends."""
    reading, writing = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_serve, args=(config, writing), daemon=True)
    process.start()
    writing.close()
    try:
        with open(reading.fileno(), encoding="utf-8", closefd=False) as said:
            yield SimulatorClient(orjson.loads(said.readline())["url"])
    finally:
        reading.close()
        process.terminate()
        process.join(timeout=10)
        assert process.exitcode == 0
        process.close()


def _serve(config: SimulatorConfig, writing: Connection) -> None:
    sys.stdout = os.fdopen(writing.fileno(), "w", encoding="utf-8", closefd=False)
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for as long as the process lives
    sys.exit(serve(config, json=True))
