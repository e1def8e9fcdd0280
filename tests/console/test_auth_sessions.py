"""Sessions: what begins them, what the browser holds, and all that ends them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.auth import users
from campaign.console.auth.sessions import END_SECONDS, IDLE_SECONDS, key_in
from campaign.console.pages import texts
from tests.console.auth_given import CHEAP, NAMES, PASSWORD, ROLES, house, seen

TEXTS = texts()


def all_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("console.db*"))


@pytest.mark.parametrize("name", ["ann", "ANN", " Ann ", "\uff41\uff4e\uff4e"])
async def test_a_name_is_the_same_however_it_is_written(tmp_path: Path, name: str) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        assert (await browser.log_in(name)).status == 303
        assert await seen(browser)


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", ""), ("ann", PASSWORD * 100), ("ann", "")])
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(tmp_path: Path, name: str, password: str) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        answer = await browser.log_in(name, password)
        assert answer.status == 401
        assert TEXTS["shell.login.wrong"] in answer.text
        assert not await seen(browser)


async def test_a_user_that_does_not_exist_costs_as_much_work(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        for times, name in enumerate(("ann", "nobody"), start=1):
            assert (await given.browser().log_in(name, "wrong")).status == 401
            assert given.door.passwords.compared == {CHEAP: times}


async def test_what_the_browser_holds_is_for_no_script_and_no_other_site(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        answer = await browser.log_in("ann")
        cookie = next(value for value in answer.headers.getall("Set-Cookie") if value.startswith("campaign-session"))
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert f"Max-Age={int(END_SECONDS)}" in cookie
        assert "Domain" not in cookie


async def test_nobody_comes_in_by_what_the_store_holds(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        held = next(value for name, value in browser.cookies.items() if name.startswith("campaign-session"))
        kept = all_in(tmp_path)
        assert held.partition(".")[0].encode() not in kept
        assert PASSWORD.encode() not in kept


async def test_a_cookie_after_the_log_out_is_worth_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        held = browser.cookies
        answer = await browser.post("/logout")
        assert (answer.status, answer.where) == (303, "/login")
        assert not any(name.startswith("campaign-session") for name in browser.cookies)
        thief = given.browser()
        thief.hold(held)
        assert not await seen(thief)


async def test_a_log_in_ends_the_session_that_was_there(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        thief = given.browser()
        thief.hold(browser.cookies)
        assert await seen(thief)
        await browser.get("/login")
        answer = await browser.post("/login", {"csrf": browser.csrf, "name": "ann", "password": PASSWORD})
        assert answer.status == 303
        assert not await seen(thief)
        assert (await browser.get("/trail")).status == 200


@pytest.mark.parametrize(
    "change", [lambda held: held[:-1] + ("0" if held[-1] != "0" else "1"), lambda held: "x" + held, lambda _: "a.b", lambda _: "é"]
)
async def test_a_cookie_that_was_changed_is_worth_nothing(tmp_path: Path, change: Callable[[str], str]) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        name, held = next(cookie for cookie in browser.cookies.items() if cookie[0].startswith("campaign-session"))
        thief = given.browser()
        thief.hold({name: change(held)})
        assert not await seen(thief)
        assert await seen(browser)


async def test_another_key_logs_everybody_out_and_does_no_harm(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        held = (await given.browser_of("approver")).cookies
    (tmp_path / "console.key").write_bytes(b"cut short")
    async with house(tmp_path, roles=()) as given:
        browser = given.browser()
        browser.hold({re.sub(r"\d+$", given.url.rpartition(":")[2], name): value for name, value in held.items()})
        assert not await seen(browser)
        assert (await browser.log_in("ann")).status == 303


async def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        held = (await given.browser_of("approver")).cookies
    async with house(tmp_path, roles=()) as given:
        browser = given.browser()
        browser.hold({re.sub(r"\d+$", given.url.rpartition(":")[2], name): value for name, value in held.items()})
        assert await seen(browser)


async def test_a_session_that_nobody_uses_ends(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        given.clock.now += IDLE_SECONDS - 1
        assert await seen(browser)
        given.clock.now += IDLE_SECONDS - 1
        assert await seen(browser)
        given.clock.now += IDLE_SECONDS
        assert not await seen(browser)


async def test_a_session_ends_however_much_it_is_used(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("viewer")
        for _ in range(11):
            given.clock.now += END_SECONDS / 12
            assert await seen(browser)
        given.clock.now += END_SECONDS / 12
        assert not await seen(browser)


async def test_another_role_holds_from_the_next_click_on(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = await given.browser_of("approver")
        assert (await browser.get("/trail")).status == 200
        await users.set_role(given.console.store, "ann", "viewer")
        assert (await browser.get("/trail")).status == 403
        await users.set_role(given.console.store, "ann", "approver")
        assert (await browser.get("/trail")).status == 200


async def test_who_is_removed_is_out_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser, other = await given.browser_of("sender"), await given.browser_of("viewer")
        await users.remove(given.console.store, "sam")
        assert not await seen(browser)
        assert (await browser.log_in("sam")).status == 401
        await users.add(given.console.store, "sam", "sender", given.door.passwords.hashed(PASSWORD))
        assert not await seen(browser)
        assert await seen(other)


async def test_another_password_ends_the_sessions_of_the_old_one(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser, other = await given.browser_of("sender"), await given.browser_of("viewer")
        await users.set_password(given.console.store, "sam", given.door.passwords.hashed("quite another password"))
        assert not await seen(browser)
        assert await seen(other)
        assert (await browser.log_in("sam")).status == 401
        assert (await browser.log_in("sam", "quite another password")).status == 303


async def test_a_log_in_that_a_change_of_the_password_overtakes_begins_no_session(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        user = await users.find(given.console.store, "sam")
        assert user is not None
        await users.set_password(given.console.store, "sam", given.door.passwords.hashed("quite another password"))
        assert await given.door.sessions.begin(user) is None


async def test_the_trail_tells_who_came_and_went(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        await (await given.browser_of("sender")).post("/logout")
        page = await (await given.browser_of("approver")).get("/trail")
        told = re.findall(r"<td><strong>(\w+)</strong></td>\s*<td>([^<]+)</td>", page.text)
        assert told == [("ann", "logged in"), ("sam", "logged out"), ("sam", "logged in")]


async def test_the_whole_trail_is_paged(tmp_path: Path) -> None:
    async with house(tmp_path, roles=("approver",)) as given:
        await given.console.store.do(
            lambda db: db.executemany(
                "INSERT INTO audit (at, person, action, subject) VALUES (0, 'sam', 'did', ?)", [(f"<b>{number}",) for number in range(250)]
            ).fetchall()
        )
        browser, path, subjects = await given.browser_of("approver"), "/trail", list[str]()
        for _ in range(3):
            page = (await browser.get(path)).text
            subjects += re.findall(r"&lt;b&gt;(\d+)", page)
            found = re.search(r'href="(/trail\?before=\d+)"', page)
            path = found[1] if found else ""
        assert not path
        assert subjects == [str(number) for number in reversed(range(250))]
        assert (await browser.get("/trail?before=x")).status == 200


async def test_roles_are_ordered() -> None:
    assert [users.ROLES[role] for role in ROLES] == [Role.VIEWER, Role.SENDER, Role.APPROVER]
    assert set(NAMES) == set(ROLES)


def test_the_key_is_for_this_user_alone(tmp_path: Path) -> None:
    key = key_in(tmp_path / "console.key")
    assert len(key) == 32
    assert (tmp_path / "console.key").stat().st_mode & 0o077 == 0
    assert key_in(tmp_path / "console.key") == key
