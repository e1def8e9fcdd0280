"""Ways around the second person: by rows that are corrected later, by one's own approval, by tests one after the other."""

from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.audit_log import set_owner
from campaign.console.console import Rules
from campaign.console.drafts.pages import test_page
from campaign.console.subprocesses import started_commands
from tests.console.campaigns_given import Scene, scene
from tests.console.drafts_given import desk
from tests.console.test_campaigns_files import SOME_MISSING, file_in, taken

NEEDS = "need an approver"


async def a_campaign_of(at: Scene, owner: str) -> bytes:
    """Of 12 rows, of which 3 have failed; the file of those."""
    await at.run("promo", 12, code=3)
    await set_owner(at.given.console.store, "promo", owner)
    return await taken(at, "failed.csv")


async def test_an_approver_does_not_agree_to_a_large_re_run_of_their_own(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING, rules=Rules(approval_over=2)) as at:
        failed = await a_campaign_of(at, "ann")
        at.is_now("ann", Role.APPROVER)
        refused = await at.post(at.page_of("promo", "again"), status="failed")
        assert (refused.status, NEEDS in refused.words) == (403, True)
        shown = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
        refused = await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))
        assert (refused.status, NEEDS in refused.words) == (403, True)
        assert await started_commands(at.given.console, "promo") == []
        at.is_now("bob", Role.APPROVER)
        assert (await at.post(at.page_of("promo", "again"), status="failed")).status == 200
        assert [launch.person for launch in await started_commands(at.given.console, "promo")] == ["bob"]


async def test_a_large_campaign_is_not_made_of_small_corrected_files(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING, rules=Rules(approval_over=11)) as at:
        failed = await a_campaign_of(at, "sid")
        at.is_now("sid", Role.SENDER)
        # 9 were told, and 3 more are 12, however few they are by themselves.
        shown = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
        refused = await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))
        assert (refused.status, NEEDS in refused.words) == (403, True)
        head, *rows = failed.splitlines(keepends=True)
        shown = await at.upload(at.page_of("promo", "corrected"), head + b"".join(rows[:2]), "failed.csv")
        assert (await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))).status == 200
        assert [launch.verb for launch in await started_commands(at.given.console, "promo")] == ["retry"]


async def test_tests_do_not_reach_everybody_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_page, "MOST_OF_A_PERSON", 2)
    async with desk(tmp_path, rules=Rules(approval_over=2)) as at:
        first, second = await at.begun(), await at.begun(name="other.csv")
        for number, draft in enumerate((first, second, first)):
            answer = await at.post(f"{draft}/test", to=f"somebody-{number}")
        assert "You have sent 2 tests since yesterday." in answer.words
        assert sorted(at.sent()) == ["somebody-0", "somebody-1"]
        # Neither another draft nor one that is begun anew helps, but another person has tests of their own.
        await at.post(f"{first}/remove")
        third = await at.begun()
        assert "You have sent 2 tests" in (await at.post(f"{third}/test", to="somebody-3")).words
        at.given.door.is_now("ann", Role.APPROVER)
        await at.post(f"{third}/test", to="somebody-4")
        assert sorted(at.sent()) == ["somebody-0", "somebody-1", "somebody-4"]
