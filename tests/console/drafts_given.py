"""A person at the pages of a draft, over HTTP, with PassEntry simulated in the same process."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, FormData

from campaign.console.console import Rules
from campaign.console.drafts.draft import Draft
from campaign.console.drafts.store import DraftStore
from campaign.settings import IsolatedSettings
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.server import Simulator
from tests.console.answers import Answer
from tests.console.given import CSRF, Visit, visit
from tests.console.waiting import until

LIST = b"pass_id,first_name,code\n" + b"".join(f"pass-{row:04},Name {row},C{row}\n".encode() for row in range(1, 21))
MESSAGE = "Hi {{ first_name }}, {{ code }} gives 20 % off"


@dataclass
class Desk:
    """`simulator` hears what is sent."""

    given: Visit
    simulator: Simulator

    @property
    def store(self) -> DraftStore:
        return DraftStore(self.given.console.folder)

    async def get(self, path: str) -> Answer:
        return await _read(await self.given.client.get(path))

    async def post(self, path: str, **fields: str) -> Answer:
        return await _read(await self.given.client.post(path, data={"csrf": CSRF, **fields}))

    async def upload(self, content: bytes = LIST, name: str = "promo.csv", *, path: str = "/new", field: str = "list") -> Answer:
        form = FormData(quote_fields=False)
        form.add_field("csrf", CSRF)
        form.add_field(field, io.BytesIO(content), filename=name, content_type="text/csv")
        return await self.settled(await _read(await self.given.client.post(path, data=form)))

    async def begun(self, content: bytes = LIST, name: str = "promo.csv", *, message: str = MESSAGE, column: str = "pass_id") -> str:
        """The address of a draft that has come as far as its check, which is done."""
        draft = (await self.upload(content, name)).path.rsplit("/", 1)[0]
        answer = await self.post(f"{draft}/column", column=column)
        assert answer.path.endswith("/message"), answer.words
        answer = await self.post(f"{draft}/message", words="written", message=message)
        assert answer.path.endswith("/check"), answer.words
        await self.checked(draft)
        return draft

    async def settled(self, answer: Answer) -> Answer:
        """A page that waits for something, once that is done."""
        async with asyncio.timeout(60):
            while 'hx-trigger="load delay' in answer.page:
                await asyncio.sleep(0.05)
                answer = await self.get(answer.path)
        return answer

    async def checked(self, draft: str) -> Answer:
        """Its check, once it is done."""
        return await self.settled(await self.get(f"{draft}/check"))

    def draft(self, path: str) -> Draft:
        found = self.store.find(path.rsplit("/", maxsplit=1)[-1])
        assert found is not None
        return found

    def files(self) -> list[str]:
        """What stands in the drafts' folder, without what is for its lock."""
        root = self.given.console.folder / "drafts"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != ".lock")

    async def finished(self, count: int) -> dict[str, list[str]]:
        """What arrived, by pass, once so many messages have."""
        await until(lambda: len(self.sent()) >= count)
        return self.sent()

    def sent(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for notification in self.simulator.audit():
            found.setdefault(notification.id, []).append(notification.message)
        return found


@asynccontextmanager
async def desk(folder: Path, *, rules: Rules = Rules(), settings: Mapping[str, Any] | None = None) -> AsyncIterator[Desk]:  # noqa: B008 - a value
    async with Simulator(SimulatorConfig(limit_per_second=0)) as simulator:
        given_settings = IsolatedSettings.read(
            ledger=str(folder / "campaign.db"), api_url=simulator.url, api_key="a-token-for-the-simulator", **(settings or {})
        )
        async with visit(folder, settings=given_settings, rules=rules) as given:
            yield Desk(given=given, simulator=simulator)


async def _read(answer: ClientResponse) -> Answer:
    async with answer:
        return Answer(status=answer.status, path=answer.url.path, page=await answer.text())


__all__ = ["CSRF", "LIST", "MESSAGE", "Answer", "Desk", "desk"]
