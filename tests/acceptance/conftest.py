"""A simulator in a process of its own, and a desk that talks to it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.simulator.config import SimulatorConfig
from tests.acceptance.desk import ROOT, Desk
from tests.acceptance.simulated import simulated
from tests.acceptance.wallclock import Wall
from tests.simulator_client import SimulatorClient


@pytest.fixture
def simulator() -> Iterator[SimulatorClient]:
    with simulated(SimulatorConfig(limit_per_second=0)) as client:
        yield client


@pytest.fixture
def desk(tmp_path: Path, simulator: SimulatorClient) -> Desk:
    environment = {
        "PATH": os.environ["PATH"],
        # Without a ledger of the person who runs the tests.
        "HOME": str(tmp_path),
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
