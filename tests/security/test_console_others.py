"""What is another's: every route and verb, with the right ids, by everybody who has a log-in."""

from pathlib import Path

import pytest
from aiohttp import FormData

from campaign.console.access import Role
from campaign.console.audit_log import entries, set_owner
from campaign.console.subprocesses import started_commands
from tests.console.campaigns_given import Scene, scene
from tests.console.drafts_given import CSRF, desk
from tests.console.test_auth_routes import CAMPAIGNS, DRAFTS
from tests.console.test_campaigns_files import SOME_MISSING

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
READ_BY_ALL = {"/campaigns/{name}", "/campaigns/{name}/live", "/campaigns/{name}/{chart}.svg"}


def form(file: str) -> FormData:
    found = FormData(default_to_multipart=True)
    for name, value in (("csrf", CSRF), ("message", ""), ("content", ""), ("note", "no"), ("to", "pass-0001"), ("status", "failed")):
        found.add_field(name, value)
    found.add_field(file, b"pass_id\n1\n", filename="list.csv")
    return found


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
async def test_a_draft_of_another_is_not_there_by_any_route_or_verb(tmp_path: Path, role: Role) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        before, known = at.draft(draft), at.files()
        noted = len(await entries(at.given.console.store))
        at.given.door.is_now("mallory", role)
        for route in DRAFTS:
            pattern = route.split(" ", 1)[1]
            if "{draft}" not in pattern:
                continue
            for verb in VERBS:
                path = pattern.replace("/drafts/{draft}", draft)
                data = form("list") if verb not in {"GET", "HEAD"} else None
                async with at.given.client.request(verb, path, data=data, allow_redirects=False) as answer:
                    assert answer.status in {403, 404, 405}, (verb, path, answer.status)
                    assert "first_name" not in await answer.text()
        assert (at.draft(draft), at.files()) == (before, known)
        assert len(await entries(at.given.console.store)) == noted
        assert draft not in (await at.get("/new")).page
        assert at.sent() == {}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
async def test_a_campaign_of_another_shows_its_counts_and_nothing_more(tmp_path: Path, role: Role) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        await set_owner(at.given.console.store, "promo", "ann")
        at.is_now("mallory", role)
        sent, noted = len(at.simulator.audit()), len(await entries(at.given.console.store))
        for route in CAMPAIGNS:
            pattern = route.split(" ", 1)[1]
            if "{name}" in pattern:
                await _refused(at, pattern)
        for path in ("/campaigns/promo", "/campaigns/promo/sends.svg"):
            page = await at.get(path)
            assert page.status == 200
            assert "pass-00002" not in page.page
            assert "Hello Name" not in page.page
        assert (len(at.simulator.audit()), len(await entries(at.given.console.store))) == (sent, noted)
        assert await started_commands(at.given.console, "promo") == []


async def _refused(at: Scene, pattern: str) -> None:
    path = pattern.replace("{name}", "promo").replace("{chart}", "sends").replace("{which}", "results").replace("{format}", "csv")
    for verb in VERBS:
        if verb in {"GET", "HEAD"} and pattern in READ_BY_ALL:
            continue
        data = form("file") if verb not in {"GET", "HEAD"} else None
        async with at.given.client.request(verb, path, data=data, allow_redirects=False) as answer:
            assert answer.status in {403, 405}, (verb, path, answer.status)
