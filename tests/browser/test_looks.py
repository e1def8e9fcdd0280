"""Every page, in both themes, wide and on a phone: axe finds nothing serious, nothing scrolls sideways, nothing is complained of.

The pictures are kept in build/screenshots, for people to look at.
"""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from campaign.domain.model import CampaignState
from tests.browser.people import Person, person
from tests.browser.stage import Served, Stage, stage
from tests.browser.way import as_far_as_check, as_far_as_send, sent
from tests.console.answers import TEXTS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

NAME = "Spring for members"
PASS = "my-own-pass"
# What the failed log-in and the page that is missing are answered with.
MISTAKES = ("status of 403", "status of 404", "status of 401", "status of 422")


async def test_every_page_of_the_way(tmp_path: Path, browser: Browser) -> None:
    async with stage(tmp_path) as at, at.console() as console, person(browser, expected=MISTAKES) as sofia:
        await sofia.enter(console.link)
        await sofia.check("campaigns-none")
        await sofia.press(TEXTS["campaigns.list.first"], role="link")
        await sofia.check("new")
        draft = await as_far_as_check(sofia, console.url, rows=240, nameless=(7, 23, 61))
        await sofia.check("check")
        for step in ("list", "column", "message"):
            await sofia.page.goto(f"{draft}/{step}")
            await sofia.check(step)
        await sofia.page.goto(f"{draft}/controls")
        await sofia.page.get_by_label(TEXTS["drafts.controls.exclude_file"]).set_input_files(
            {"name": "unsubscribed.csv", "mimeType": "text/csv", "buffer": b"pass_id\ncard-00005\n"}
        )
        await sofia.page.get_by_label(TEXTS["drafts.controls.rate"]).fill("fast")
        await sofia.press("Add")
        await sofia.check("controls")
        await sofia.page.get_by_label(TEXTS["drafts.controls.rate"]).fill("")
        await sofia.press(TEXTS["drafts.steps.save_next"])
        await sofia.page.get_by_label(TEXTS["drafts.test.to"]).fill(PASS)
        await sofia.press(TEXTS["drafts.test.send"])
        await expect(sofia.page.get_by_role("status")).to_contain_text(TEXTS["drafts.test.delivered"])
        await sofia.check("test")
        await sofia.page.goto(f"{draft}/send")
        await sofia.check("send")
        await sofia.page.goto(f"{console.url}/new")
        await sofia.check("new-with-a-draft")


async def test_every_page_of_a_campaign(tmp_path: Path, browser: Browser) -> None:
    faults = {"unprocessable": "4%", "not_delivered": "6%", "late": "2%"}
    async with stage(tmp_path, **faults) as at, at.console() as console, person(browser, expected=MISTAKES) as sofia:
        await sofia.enter(console.link)
        await sent(sofia, console.url, name=NAME, rows=180, rate=20)
        await expect(sofia.page.locator(".legend")).to_contain_text("delivered")
        await sofia.check("campaign-sending")
        await sofia.press("Pause")
        await expect(sofia.page.locator(".now .badge").first).to_have_text("Paused")
        await sofia.check("campaign-paused")
        for verb in ("resume", "cancel"):
            await sofia.page.goto(f"{console.url}/campaigns/{NAME}/{verb}")
            await sofia.check(f"campaign-{verb}")
        await at.command("resume", NAME, "--yes", "--rate=500", code=3)
        await _the_end(sofia, console, at)


async def _the_end(sofia: Person, console: Served, at: Stage) -> None:
    await at.until_state(NAME, CampaignState.FINISHED)
    await sofia.page.goto(f"{console.url}/campaigns/{NAME}")
    await expect(sofia.page.locator(".now .badge").first).to_have_text("Finished")
    await sofia.check("campaign-finished")
    await sofia.press(TEXTS["campaigns.steer.again"], role="link")
    await sofia.check("again")
    await sofia.press(TEXTS["campaigns.again.look"])
    await sofia.check("again-sure")
    await sofia.page.goto(console.url)
    await sofia.check("campaigns")
    await sofia.page.goto(f"{console.url}/trail")
    await sofia.check("trail")
    await sofia.page.goto(f"{console.url}/no-such-page")
    await sofia.check("missing")


async def test_every_page_of_a_team(tmp_path: Path, browser: Browser) -> None:
    async with stage(tmp_path) as at:
        await at.people({"sam": "sender", "ann": "approver"})
        async with (
            at.console("--require-approval=20") as console,
            person(browser, expected=MISTAKES) as sam,
            person(browser, expected=MISTAKES) as ann,
        ):
            await ann.page.goto(f"{console.url}/login")
            await ann.check("login")
            await ann.page.get_by_label("Name").fill("ann")
            await ann.page.get_by_label("Password").fill("a wrong password")
            await ann.press(TEXTS["shell.login.enter"])
            await expect(ann.page.get_by_role("alert")).to_be_visible()
            await ann.check("login-wrong")
            await ann.log_in(console.url, "ann")
            await sam.log_in(console.url, "sam")
            draft = await as_far_as_send(sam, console.url, name=NAME, rows=40, rate=20)
            await sam.press(TEXTS["drafts.send.ask"])
            await expect(sam.page.get_by_role("button", name=TEXTS["drafts.send.take_back"])).to_be_visible()
            await sam.check("send-waits")
            await ann.page.goto(f"{console.url}/approvals")
            await ann.check("approvals")
            await ann.page.goto(f"{draft}/send")
            await ann.check("send-to-approve")
            await sam.page.goto(f"{console.url}/trail")
            await sam.check("forbidden")
