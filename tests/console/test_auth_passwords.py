"""Passwords: what a hash costs, and that it grows with what is asked for."""

from pathlib import Path

from campaign.console.auth import users
from campaign.console.auth.users import Cost, Passwords, cost_of
from tests.console.auth_given import CHEAP, PASSWORD, house, seen


async def test_a_hash_of_a_lower_cost_is_made_anew_at_the_log_in(tmp_path: Path) -> None:
    async with house(tmp_path, roles=("sender",)) as given:
        weak = Passwords(Cost(memory_kib=32, rounds=1))
        await users.add(given.console.store, "eve", "viewer", weak.hashed(PASSWORD))
        weak.close()
        browser = given.browser()
        assert (await browser.log_in("eve")).status == 303
        assert await seen(browser)
        user = await users.find(given.console.store, "eve")
        assert user is not None
        assert cost_of(user.password) == CHEAP
        assert (await browser.log_in("eve")).status == 303


async def test_what_a_password_costs_is_what_owasp_asks_for_at_least() -> None:
    passwords = Passwords()
    try:
        hashed = passwords.hashed(PASSWORD)
        assert hashed.startswith("$argon2id$v=19$")
        cost = cost_of(hashed)
        assert cost.memory_kib >= 19_456
        assert cost.rounds >= 2
        assert hashed != passwords.hashed(PASSWORD)
        assert await passwords.matches(PASSWORD, hashed)
        assert await passwords.stronger(PASSWORD, hashed) is None
    finally:
        passwords.close()


async def test_the_same_letters_by_other_code_points_are_the_same_password() -> None:
    passwords = Passwords(CHEAP)
    try:
        assert await passwords.matches("cafe\u0301 au lait", passwords.hashed("caf\u00e9 au lait"))
        assert not await passwords.matches("cafe au lait", passwords.hashed("caf\u00e9 au lait"))
    finally:
        passwords.close()
