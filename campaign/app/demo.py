"""Runs the sample campaign against the simulator, in one process, for people who are new."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from campaign.app.run import run_list
from campaign.app.session import CommandResult, UserInterface
from campaign.domain.errors import UsageError
from campaign.domain.model import Counts
from campaign.sender.port import Observer
from campaign.sender.stop import StopRequest
from campaign.settings import IsolatedSettings
from campaign.simulator.config import Latency, SimulatorConfig
from campaign.simulator.faults import Fault
from campaign.simulator.records import Summary
from campaign.simulator.server import Simulator

FAULTS = {Fault.NOT_DELIVERED: 0.04, Fault.NOT_FOUND: 0.01, Fault.CUT_AFTER: 0.01, Fault.ERROR_BEFORE: 0.01}
LATENCY = Latency(low_seconds=0.02, high_seconds=0.12)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result of a demo; `summary` is what the simulator, not the runner, saw."""

    finished: CommandResult
    folder: Path
    summary: Summary

    @property
    def exit_code(self) -> int:
        """0 also if rows failed: in a demo some are meant to fail."""
        if self.summary.surplus:
            return 1
        return self.finished.view.exit_code if self.finished.view.counts.open else 0


def sample_data() -> Path:
    """The folder of the sample list: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "sample_data"
    return installed if installed.is_dir() else package.parent / "sample_data"


async def run_demo(
    *,
    rate_per_second: float,
    folder: Path | None,
    watch: Callable[[str, Counts], AbstractContextManager[Observer]],
    listen: Callable[[], StopRequest],
) -> DemoResult:
    """Run the sample list to its end, and compare the outcome with the messages that the simulator processed.

    Raises:
        UsageError: the folder can't be made.
    """
    samples = sample_data()
    place = _place(folder)
    config = SimulatorConfig(limit_per_second=round(rate_per_second) + 10, faults=FAULTS, latency=LATENCY, seed=7)
    # Copied, as beside the list may be the results of somebody who sent it from another ledger.
    with tempfile.TemporaryDirectory() as alone:
        source = shutil.copy(samples / "promo.csv", alone)
        async with Simulator(config) as simulator:
            settings = IsolatedSettings.read(
                ledger=str(place / "campaign.db"),
                template=samples / "templates" / "offer.txt",
                results=place / "promo.results.csv",
                rate=rate_per_second,
                quiet_period="2s",
                yes=True,
                api_url=simulator.url,
                api_key="demo",
            )
            ui = UserInterface(confirm=lambda *_: True, agree=lambda *_: False, watch=watch, listen=listen, tell=lambda *_, **__: None)
            finished = await run_list(source, settings, ui)
            return DemoResult(finished=finished, folder=place, summary=simulator.summary())


def _place(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="campaign-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} can't be made: {os.strerror(error.errno or 0)}. Choose another with --folder.", code="folder_not_writable"
        ) from error
    return folder
