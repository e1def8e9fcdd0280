"""A simulator in a process of its own, and a desk that talks to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.simulator.client import SimulatorClient
from tests.acceptance.desk import ROOT, Desk
from tests.acceptance.wallclock import Wall


@pytest.fixture
def simulator() -> Iterator[SimulatorClient]:
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign", "simulate", "--port", "0", "--limit", "0", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield SimulatorClient(json.loads(process.stdout.readline())["url"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        process.stdout.close()


@pytest.fixture
def desk(tmp_path: Path, simulator: SimulatorClient) -> Desk:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CAMPAIGN_LEDGER": str(tmp_path / "campaign.db"),
        "CAMPAIGN_YES": "true",
        "CAMPAIGN_RATE": "200",
        "CAMPAIGN_QUIET_PERIOD": "1s",
        "PASSENTRY_API_URL": simulator.url,
        "PASSENTRY_API_KEY": "a-token-for-the-simulator",
    }
    return Desk(folder=tmp_path, simulator=simulator, environment=environment)


@pytest.fixture
def wall(desk: Desk) -> Iterator[Wall]:
    clock = Wall(desk)
    yield clock
    clock.stop()
