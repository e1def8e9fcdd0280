"""Log-ins are slowed, for whoever tries and not for everybody."""

import asyncio
import re
import threading
from pathlib import Path

import aiohttp
import pytest

from campaign.console.auth import login
from campaign.console.auth.login import FORGIVEN_AFTER_SECONDS, FREE_OF_ADDRESS, FREE_OF_ALL, FREE_OF_PAIR, LONGEST_SECONDS, LoginThrottle
from campaign.console.auth.site import Site
from campaign.console.auth.users import MOST_WAITING
from campaign.console.pages import texts
from tests.console.auth_given import PASSWORD, Clock, house

TEXTS = texts()


def failed(tried: LoginThrottle, clock: Clock, name: str, address: str, *, times: int) -> list[float]:
    """Seconds waited before each."""
    waits = []
    for _ in range(times):
        waits.append(wait := tried.begin(name, address))
        if wait:
            clock.now += wait
            assert tried.begin(name, address) == 0
    return waits


def test_the_wait_grows_and_has_an_end() -> None:
    clock = Clock()
    waits = failed(LoginThrottle(clock), clock, "ann", "10.0.0.1", times=FREE_OF_PAIR + 12)
    doubled = [min(2.0**power, LONGEST_SECONDS) for power in range(1, 12)]
    assert waits == [0.0] * (FREE_OF_PAIR + 1) + doubled


def test_while_it_has_to_wait_nothing_is_counted() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    failed(tried, clock, "ann", "10.0.0.1", times=FREE_OF_PAIR + 1)
    assert {tried.begin("ann", "10.0.0.1") for _ in range(100)} == {2.0}
    clock.now += 2
    assert tried.begin("ann", "10.0.0.1") == 0


def test_a_right_password_clears_what_was_counted() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    for _ in range(100):
        failed(tried, clock, "ann", "10.0.0.1", times=FREE_OF_PAIR)
        assert tried.begin("ann", "10.0.0.1") == 0
        tried.succeeded("ann", "10.0.0.1")
    assert tried.begin("ann", "10.0.0.1") == 0


def test_who_tries_elsewhere_keeps_nobody_out() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    failed(tried, clock, "ann", "10.0.0.1", times=FREE_OF_PAIR + 5)
    assert tried.begin("ann", "10.0.0.1") > 0
    assert tried.begin("ann", "10.0.0.2") == 0


def test_one_address_that_tries_many_names_is_slowed() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    waits = [tried.begin(f"name {number}", "10.0.0.1") for number in range(FREE_OF_ADDRESS + 2)]
    assert waits == [0.0] * (FREE_OF_ADDRESS + 1) + [2.0]
    assert tried.begin("ann", "10.0.0.2") == 0


def test_one_subscriber_of_version_6_is_one_address() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    waits = [tried.begin("ann", f"2001:db8::{number:x}%eth0") for number in range(FREE_OF_PAIR + 2)]
    assert waits[-1] == 2.0
    assert tried.begin("ann", "2001:db8:0:1::1") == 0


def test_many_addresses_are_slowed_together_but_not_who_came_in_from_theirs_before() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    assert tried.begin("ann", "10.1.0.1") == 0
    tried.succeeded("ann", "10.1.0.1")
    waits = [tried.begin("ann", f"10.0.0.{number}") for number in range(int(FREE_OF_ALL) + 1)]
    assert waits == [0.0] * int(FREE_OF_ALL) + [1.0]
    assert tried.begin("ann", "10.1.0.1") == 0
    tried.succeeded("ann", "10.1.0.1")
    clock.now += 1
    assert tried.begin("ann", "10.0.1.1") == 0
    assert tried.begin("ann", "10.0.1.2") == 1.0


def test_what_was_long_ago_is_forgiven() -> None:
    clock = Clock()
    tried = LoginThrottle(clock)
    failed(tried, clock, "ann", "10.0.0.1", times=FREE_OF_PAIR + 3)
    clock.now += FORGIVEN_AFTER_SECONDS
    assert failed(tried, clock, "ann", "10.0.0.1", times=FREE_OF_PAIR) == [0.0] * FREE_OF_PAIR


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "MOST_REMEMBERED", 50)
    clock = Clock()
    tried = LoginThrottle(clock)
    for number in range(500):
        clock.now += 10
        assert tried.begin("ann", f"10.0.{number % 250}.{number // 250}") == 0
        tried.succeeded("ann", f"10.0.{number % 250}.{number // 250}")
        tried.begin(f"{number}", f"10.1.{number % 250}.{number // 250}")
    assert len(tried._known) <= 50
    assert len(tried._pairs._tried) <= 50
    assert len(tried._addresses._tried) <= 50


async def test_a_page_says_how_long_to_wait_and_does_no_work(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        for _ in range(FREE_OF_PAIR + 1):
            assert (await browser.log_in("ann", "wrong")).status == 401
        worked = given.door.passwords.compared.copy()
        answer = await browser.log_in("ann")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
        assert TEXTS["shell.login.slow"].format(seconds=2) in answer.text
        assert given.door.passwords.compared == worked
        given.clock.now += 2
        assert (await browser.log_in("ann")).status == 303


async def test_a_long_wait_is_told_in_minutes(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        failed(given.door.attempts, given.clock, "ann", "127.0.0.1", times=FREE_OF_PAIR + 12)
        answer = await given.browser().log_in("ann")
        assert TEXTS["shell.login.slow_minutes"].format(minutes=15) in answer.text


async def test_many_at_once_gain_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browsers = [given.browser() for _ in range(20)]
        answers = await asyncio.gather(*(browser.log_in("ann", "wrong") for browser in browsers))
        assert sorted(answer.status for answer in answers) == [401] * (FREE_OF_PAIR + 1) + [429] * (19 - FREE_OF_PAIR)
        assert given.door.passwords.compared.total() == FREE_OF_PAIR + 1


async def test_behind_a_proxy_visitors_are_told_apart(tmp_path: Path) -> None:
    async with house(tmp_path, place=Site(secure=True, behind_proxy=True)) as given:
        for number in range(FREE_OF_PAIR + 2):
            # Whatever stands first was written by the visitor.
            status = await _tried(given.url, f"192.0.2.{number}, 10.0.0.1")
        assert status == 429
        assert await _tried(given.url, "192.0.2.1, 10.0.0.2") == 401


async def test_without_a_proxy_what_a_visitor_says_of_their_address_counts_for_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        statuses = [(await browser.log_in("ann", "wrong", X_Forwarded_For=f"10.0.0.{number}")).status for number in range(FREE_OF_PAIR + 2)]
        assert statuses[-1] == 429


async def test_a_name_of_any_length_is_kept_short(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        assert (await given.browser().log_in("x" * 500_000, "wrong")).status == 401
        assert max(map(len, given.door.attempts._pairs._tried)) < 300


async def test_log_ins_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as given:
        passwords, go_on = given.door.passwords, threading.Event()
        monkeypatch.setattr(passwords, "_compare", lambda *_: go_on.wait())
        waiting = [asyncio.ensure_future(passwords.matches(PASSWORD, "hash")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        assert passwords.busy
        go_on.set()
        assert all(await asyncio.gather(*waiting))
        assert not passwords.busy


async def _tried(url: str, forwarded: str) -> int:
    """The status of a wrong password; a browser would keep the cookies that are for https alone, and so do we."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        async with session.get(f"{url}/login", headers=headers) as page:
            cookie = page.headers["Set-Cookie"].partition(";")[0]
            found = re.search(r'name="csrf" value="([^"]+)"', await page.text())
        assert found is not None
        form = {"csrf": found[1], "name": "ann", "password": "wrong"}
        async with session.post(f"{url}/login", data=form, headers=headers | {"Cookie": cookie}) as answer:
            return answer.status
