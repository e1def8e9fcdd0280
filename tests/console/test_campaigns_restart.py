"""The console is killed while a campaign is sent that it has started: the campaign goes on, and a new console finds it."""

import asyncio
import signal
from pathlib import Path

import pytest

from campaign.domain.model import CampaignState
from campaign.domain.status import Status
from tests.console.campaigns_given import environment, scene
from tests.console.served import console
from tests.console.waiting import until

ROWS = 160


async def test_a_killed_console_interrupts_nothing_and_the_next_one_finds_it_going(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        # Long enough for any machine to start a console meanwhile.
        await at.run("promo", ROWS, rate=2, code=5, more=("--limit=1",))
        async with console(tmp_path / "served", environment(at)) as (process, browser):
            await browser.page("/campaigns/promo")
            await browser.post("/campaigns/promo/resume")
            await until(lambda: at.state("promo").state is CampaignState.SENDING)
            process.kill()
            await process.wait()
        async with console(tmp_path / "served", environment(at)) as (_, browser):
            page = await browser.page("/campaigns/promo")
            assert "is being sent" in page
            sent = len(at.simulator.audit())
            await until(lambda: len(at.simulator.audit()) > sent, seconds=20)
            headers = {"Accept": "text/event-stream"}
            async with browser.session.get(browser.url / "campaigns" / "promo" / "live", headers=headers) as answer, asyncio.timeout(60):
                await browser.post("/campaigns/promo/pause")
                await at.until_state("promo", CampaignState.PAUSED)
                await at.command("resume", "promo", "--yes", "--rate=500", code=0)
                assert b"event: ended" in await answer.read()
            assert "did not succeed" not in await browser.page("/campaigns/promo")
        assert at.state("promo").counts.by_status[Status.DELIVERED] == ROWS
        assert (len(at.simulator.audit()), at.doubles) == (ROWS, 0)


@pytest.mark.slow
async def test_a_console_that_is_told_to_end_does_so_at_once_with_streams_open_and_leaves_the_campaign_going(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", ROWS, rate=2, code=5, more=("--limit=1",))
        async with console(tmp_path / "served", environment(at)) as (process, browser):
            await browser.page("/campaigns/promo")
            await browser.post("/campaigns/promo/resume")
            await until(lambda: at.state("promo").state is CampaignState.SENDING)
            headers = {"Accept": "text/event-stream"}
            async with browser.session.get(browser.url / "campaigns" / "promo" / "live", headers=headers) as answer:
                await answer.content.readline()
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(30):
                    assert b"event: ended" not in await answer.read()
                    assert await process.wait() == 0
        assert at.state("promo").state is CampaignState.SENDING
        await at.command("pause", "promo", code=0)
        await at.until_state("promo", CampaignState.PAUSED)
        await at.command("resume", "promo", "--yes", "--rate=500", code=0)
        assert (len(at.simulator.audit()), at.doubles) == (ROWS, 0)
