"""The one-time link of a console without users."""

import re
from pathlib import Path

from campaign.console.auth import users
from campaign.console.auth.sessions import make_link
from campaign.console.pages import texts
from tests.console.auth_given import PASSWORD, House, house, is_in, seen

TEXTS = texts()


async def test_the_one_time_link_lets_one_browser_in_once(tmp_path: Path) -> None:
    async with house(tmp_path, by_link=True, roles=()) as given:
        link = await _a_link(given)
        browser = given.browser()
        # Whoever fetches the page alone, such as a mail program, has not used it up.
        for _ in range(2):
            assert (await browser.get(link)).status == 200
        key = link.partition("key=")[2]
        answer = await browser.post("/enter", {"key": key})
        assert (answer.status, answer.where) == (303, "/")
        assert is_in(await browser.get("/trail"))
        second = given.browser()
        await second.get(link)
        answer = await second.post("/enter", {"key": key})
        assert answer.status == 403
        assert TEXTS["shell.enter.used"] in answer.text
        assert not await seen(second)
        assert await seen(browser)


async def test_a_link_has_an_end_and_the_next_one_replaces_it(tmp_path: Path) -> None:
    async with house(tmp_path, by_link=True, roles=()) as given:
        for aged, status in ((True, 403), (False, 303)):
            first, link = await _a_link(given), await _a_link(given)
            given.clock.now += 24 * 3600 if aged else 0
            browser = given.browser()
            await browser.get(link)
            assert (await browser.post("/enter", {"key": first.partition("key=")[2]})).status == 403
            assert (await browser.post("/enter", {"key": link.partition("key=")[2]})).status == status


async def test_with_the_first_user_the_owner_is_nobody_any_more(tmp_path: Path) -> None:
    async with house(tmp_path, by_link=True, roles=()) as given:
        browser, link = given.browser(), await _a_link(given)
        await browser.get(link)
        await browser.post("/enter", {"key": link.partition("key=")[2]})
        assert await seen(browser)
        later = await _a_link(given)
        await users.add(given.console.store, "ann", "viewer", given.door.passwords.hashed(PASSWORD))
        assert not await seen(browser)
        await browser.get(later)
        assert (await browser.post("/enter", {"key": later.partition("key=")[2]})).status == 403


async def test_where_others_reach_it_no_link_lets_anybody_in(tmp_path: Path) -> None:
    async with house(tmp_path, by_link=True, roles=()) as given:
        browser, link = given.browser(), await _a_link(given)
        await browser.get(link)
        await browser.post("/enter", {"key": link.partition("key=")[2]})
        held = browser.cookies
    async with house(tmp_path, by_link=False, roles=()) as given:
        browser = given.browser()
        browser.hold({re.sub(r"\d+$", given.url.rpartition(":")[2], name): value for name, value in held.items()})
        assert not await seen(browser)
        link = await _a_link(given)
        await browser.get("/login")
        assert (await browser.get(link)).status == 404
        assert (await browser.post("/enter", {"key": link.partition("key=")[2]})).status == 404


async def _a_link(given: House) -> str:
    return await make_link(given.console.store, "", given.clock())
