"""What every page of the console has in common."""

from pathlib import Path

from tests.console.given import visit


async def test_the_first_page_is_the_list_of_campaigns(tmp_path: Path) -> None:
    async with visit(tmp_path) as given:
        answer = await given.client.get("/")
        assert answer.status == 200
        assert "<h1>Campaigns</h1>" in await answer.text()


async def test_a_page_is_for_nobody_who_has_not_logged_in(tmp_path: Path) -> None:
    async with visit(tmp_path) as given:
        given.door.visitor = None
        answer = await given.client.get("/?sort=name", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/login?next=/?sort%3Dname")
