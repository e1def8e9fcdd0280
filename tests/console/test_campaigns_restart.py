"""The console is killed while a campaign is sent that it has started: the campaign goes on, and a new console finds it."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from campaign.domain.model import CampaignState, Status
from tests.console.campaigns_given import ROOT, Scene, environment, scene
from tests.console.waiting import until

ROWS = 160


@dataclass
class Browser:
    """Somebody who came in by the link of a console."""

    session: aiohttp.ClientSession
    url: URL
    csrf: str = ""

    async def page(self, path: str) -> str:
        async with self.session.get(self.url.with_path(path)) as answer:
            assert answer.status == 200
            text = await answer.text()
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        self.csrf = found[1] if found else self.csrf
        return text

    async def post(self, path: str) -> None:
        async with self.session.post(self.url.with_path(path), data={"csrf": self.csrf}) as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def console(at: Scene) -> AsyncIterator[tuple[Process, Browser]]:
    """`campaign serve`, until it is ended or killed."""
    words = ("serve", "--port=0", f"--folder={at.folder / 'served'}", "--log-level=error")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "campaign", *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment(at), cwd=ROOT
    )
    try:
        assert process.stdout is not None
        link = URL((await process.stdout.readline()).decode().split()[-1])
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            browser = Browser(session=session, url=link.origin())
            async with session.get(link) as answer:
                form = dict(re.findall(r'name="(csrf|key)" value="([^"]+)"', await answer.text()))
            async with session.post(link.origin() / "enter", data=form) as answer:
                assert answer.status == 200, await answer.text()
            yield process, browser
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_a_killed_console_interrupts_nothing_and_the_next_one_finds_it_going(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", ROWS, rate=25, code=5, more=("--limit=5",))
        async with console(at) as (process, browser):
            await browser.page("/campaigns/promo")
            await browser.post("/campaigns/promo/resume")
            await until(lambda: at.state("promo").state is CampaignState.SENDING)
            process.kill()
            await process.wait()
        sent = len(at.simulator.audit())
        assert sent < ROWS
        async with console(at) as (_, browser):
            page = await browser.page("/campaigns/promo")
            assert "is being sent" in page
            headers = {"Accept": "text/event-stream"}
            async with browser.session.get(browser.url / "campaigns" / "promo" / "live", headers=headers) as answer, asyncio.timeout(60):
                assert b"event: ended" in await answer.read()
            assert "did not succeed" not in await browser.page("/campaigns/promo")
        assert at.state("promo").counts.by_status[Status.DELIVERED] == ROWS
        assert (len(at.simulator.audit()), at.doubles) == (ROWS, 0)


async def test_a_console_that_is_told_to_end_does_so_at_once_with_streams_open_and_leaves_the_campaign_going(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", ROWS, rate=25, code=5, more=("--limit=5",))
        async with console(at) as (process, browser):
            await browser.page("/campaigns/promo")
            await browser.post("/campaigns/promo/resume")
            await until(lambda: at.state("promo").state is CampaignState.SENDING)
            headers = {"Accept": "text/event-stream"}
            async with browser.session.get(browser.url / "campaigns" / "promo" / "live", headers=headers) as answer:
                await answer.content.readline()
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(8):
                    assert b"event: ended" not in await answer.read()
                    assert await process.wait() == 0
        assert at.state("promo").state is CampaignState.SENDING
        await at.until_state("promo", CampaignState.FINISHED)
        assert (len(at.simulator.audit()), at.doubles) == (ROWS, 0)
