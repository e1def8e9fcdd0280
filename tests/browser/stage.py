"""What a browser test plays on: `campaign serve` and the simulator, each a process of its own, and a ledger of the test's own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from campaign.console.auth import users
from campaign.console.auth.users import Cost, Passwords
from campaign.console.store import open_store
from campaign.domain.model import CampaignState
from campaign.insights import CampaignView, view
from campaign.ledger.sqlite import SqliteReader
from tests.console.waiting import until
from tests.simulator_client import SimulatorClient

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-simulator"
PASSWORD = "a long enough password"
# What a password costs is judged elsewhere; here people only have to come in.
CHEAP = Cost(memory_kib=64, rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A console that runs. `link` is what it printed."""

    process: Process
    link: str

    @property
    def url(self) -> str:
        return self.link.split("/enter")[0].rstrip("/")

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", maxsplit=1)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`simulator` decides what was sent, and how PassEntry behaves from now on."""

    folder: Path
    simulator: SimulatorClient

    def sent(self) -> dict[str, list[str]]:
        """What arrived, by pass."""
        found: dict[str, list[str]] = {}
        for one in self.simulator.audit():
            found.setdefault(one.id, []).append(one.message)
        return found

    def check_nothing_twice(self) -> None:
        told = Counter((one.id, one.message) for one in self.simulator.audit())
        assert not [pair for pair, times in told.items() if times > 1]

    def state(self, name: str) -> CampaignView:
        reader = SqliteReader(self.folder / "campaign.db")
        try:
            record = reader.campaign(name)
            assert record is not None
            return view(reader, record)
        finally:
            reader.close()

    async def until_state(self, name: str, state: CampaignState) -> CampaignView:
        await until(lambda: self.state(name).state is state, seconds=60)
        return self.state(name)

    @asynccontextmanager
    async def console(self, *options: str) -> AsyncIterator[Served]:
        """`campaign serve`, until it is told to end or was killed."""
        words = ("serve", "--port=0", f"--folder={self.folder / 'console'}", "--log-level=error", *options)
        process = await self._started(*words)
        try:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                link = (await process.stdout.readline()).decode().split()[-1]
            yield Served(process=process, link=link)
        finally:
            await _ended(process)

    async def command(self, *words: str, code: int = 0) -> None:
        """`campaign ...`, which has to end with this code."""
        process = await self._started(*words)
        said, _ = await process.communicate()
        assert process.returncode == code, said.decode()

    async def people(self, roles: Mapping[str, str]) -> None:
        """Users by name, all with the same password."""
        folder = self.folder / "console"
        store, passwords = open_store(folder), Passwords(CHEAP)
        try:
            for name, role in roles.items():
                await users.add(store, name, role, passwords.hashed(PASSWORD))
        finally:
            passwords.close()
            store.close()

    async def _started(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "campaign", *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=self._environment(), cwd=ROOT
        )

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(ROOT),
            "CAMPAIGN_LEDGER": str(self.folder / "campaign.db"),
            "CAMPAIGN_QUIET_PERIOD": "1s",
            "CAMPAIGN_DAILY_CAP": "0",
            "CAMPAIGN_TIME_ZONE": "Europe/Berlin",
            "PASSENTRY_API_URL": self.simulator.url,
            "PASSENTRY_API_KEY": TOKEN,
        }


@asynccontextmanager
async def stage(folder: Path, **faults: Any) -> AsyncIterator[Stage]:
    """A folder of the test's own, and a simulator with these shares of faults."""
    words = (
        "simulate",
        "--port=0",
        "--limit=0",
        "--latency=20ms",
        "--json",
        *(f"--fault={name}={share}" for name, share in faults.items()),
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "campaign", *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            said = await process.stdout.readline()
        url = orjson.loads(said)["url"]
        yield Stage(folder=folder, simulator=SimulatorClient(url))
    finally:
        await _ended(process)


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(15):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
