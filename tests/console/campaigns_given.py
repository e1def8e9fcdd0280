"""A person at the pages of campaigns, over HTTP, with PassEntry simulated in the same process, and commands as processes of their own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientResponse, FormData

from campaign.console.access import Person, Role
from campaign.console.console import Rules
from campaign.console.pages import campaign_page
from campaign.domain.model import CampaignState
from campaign.insights import CampaignView, view
from campaign.ledger.sqlite import SqliteReader
from campaign.settings import IsolatedSettings
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator
from tests.console.answers import Answer
from tests.console.given import CSRF, Visit, visit
from tests.console.waiting import until

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-simulator"
NO_RULES = Rules()


@dataclass
class Scene:
    folder: Path
    given: Visit
    simulator: Simulator
    processes: list[Process] = field(default_factory=list)

    def is_now(self, name: str, role: Role) -> None:
        self.given.door.visitor = Person(name=name, role=role, csrf=CSRF)

    async def get(self, path: str, **headers: str) -> Answer:
        return await read(await self.given.client.get(path, headers=headers))

    async def post(self, path: str, **fields: str | list[str]) -> Answer:
        pairs = [(name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
        return await read(await self.given.client.post(path, data=FormData([("csrf", CSRF), *pairs])))

    async def upload(self, path: str, content: bytes, name: str, *, message: str = "", csrf: str = CSRF) -> Answer:
        form = FormData()
        form.add_field("csrf", csrf)
        form.add_field("message", message)
        form.add_field("file", content, filename=name)
        return await read(await self.given.client.post(path, data=form))

    async def command(self, *words: str, code: int | None = None) -> Process:
        """`campaign ...`, ended if its exit code is told."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "campaign", *words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=environment(self), cwd=ROOT
        )
        self.processes.append(process)
        if code is not None:
            _, said = await process.communicate()
            assert process.returncode == code, said.decode()
        return process

    async def run(self, name: str, rows: int = 12, *, rate: float = 500, code: int | None = 0, more: tuple[str, ...] = ()) -> Process:
        """A campaign of so many rows, begun by a command."""
        list_file = self.folder / f"list-{rows}-{abs(hash(name))}.csv"
        lines = (f"pass-{row:05},Name {row}\n" for row in range(1, rows + 1))
        list_file.write_text("pass_id,first_name\n" + "".join(lines), encoding="utf-8")
        words = ("run", str(list_file), f"--name={name}", "--message=Hello {{ first_name }}", f"--rate={rate}", "--yes", *more)
        return await self.command(*words, code=code)

    def state(self, name: str) -> CampaignView:
        reader = SqliteReader(self.folder / "campaign.db")
        try:
            record = reader.campaign(name)
            assert record is not None
            return view(reader, record)
        finally:
            reader.close()

    async def until_state(self, name: str, *states: CampaignState) -> CampaignView:
        await until(lambda: self.state(name).state in states, seconds=40)
        return self.state(name)

    def page_of(self, name: str, *more: str) -> str:
        return campaign_page(name, *more)

    @property
    def doubles(self) -> int:
        """Messages that a pass got twice."""
        told = [(sent.id, sent.message) for sent in self.simulator.audit()]
        return len(told) - len(set(told))


def environment(scene: Scene) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "CAMPAIGN_LEDGER": str(scene.folder / "campaign.db"),
        "CAMPAIGN_QUIET_PERIOD": "1s",
        "CAMPAIGN_DAILY_CAP": "0",
        "PASSENTRY_API_URL": scene.simulator.url,
        "PASSENTRY_API_KEY": TOKEN,
    }


@asynccontextmanager
async def scene(
    folder: Path, config: SimulatorConfig | None = None, *, rules: Rules = NO_RULES, token: str = TOKEN
) -> AsyncIterator[Scene]:
    async with Simulator(config or SimulatorConfig(limit_per_second=0)) as simulator:
        settings = IsolatedSettings.read(ledger=str(folder / "campaign.db"), api_url=simulator.url, api_key=token)
        async with visit(folder, settings=settings, rules=rules) as given:
            found = Scene(folder=folder, given=given, simulator=simulator)
            try:
                yield found
            finally:
                for process in found.processes:
                    if process.returncode is None:
                        process.kill()
                        await process.communicate()


async def read(answer: ClientResponse) -> Answer:
    return Answer(status=answer.status, path=answer.url.raw_path, page=await answer.text())


@asynccontextmanager
async def stream(scene: Scene, path: str) -> AsyncIterator[AsyncIterator[str]]:
    """The events of a stream, as they come."""
    async with scene.given.client.get(path, headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"

        async def events() -> AsyncIterator[str]:
            lines: list[str] = []
            async for line in answer.content:
                if line == b"\n":
                    yield "\n".join(lines)
                    lines = []
                else:
                    lines.append(line.decode().rstrip("\n"))

        yield events()
