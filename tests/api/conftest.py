"""A simulator, and an environment in which a program reaches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.simulator.config import SimulatorConfig
from tests.acceptance.simulated import simulated
from tests.simulator_client import SimulatorClient


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorClient]:
    monkeypatch.chdir(tmp_path)
    with simulated(SimulatorConfig(limit_per_second=0)) as client:
        monkeypatch.setenv("PASSENTRY_API_URL", client.url)
        monkeypatch.setenv("PASSENTRY_API_KEY", "a-token-for-the-simulator")
        monkeypatch.setenv("CAMPAIGN_LEDGER", str(tmp_path / "campaign.db"))
        monkeypatch.setenv("CAMPAIGN_QUIET_PERIOD", "1s")
        yield client
