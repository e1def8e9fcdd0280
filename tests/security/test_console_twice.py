"""What is pressed twice, in two tabs or by two people, happens once."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.console.access import Role
from campaign.console.audit_log import owner_of, set_owner
from campaign.console.drafts.draft import Stage
from campaign.console.drafts.wizard import SENDER
from campaign.console.subprocesses import environment, started_commands
from campaign.domain.status import Status
from tests.console.answers import Answer
from tests.console.campaigns_given import Scene, scene
from tests.console.drafts_given import LIST, desk
from tests.console.given import CSRF
from tests.console.test_campaigns_files import SOME_MISSING, file_in, taken
from tests.console.waiting import until


async def pressed(at: Scene, path: str, times: int, **fields: str) -> list[int]:
    async def press() -> int:
        async with at.given.client.post(path, data={"csrf": CSRF, **fields}, allow_redirects=False) as answer:
            return answer.status

    return list(await asyncio.gather(*(press() for _ in range(times))))


@pytest.mark.parametrize("what", ["again", "corrected"])
async def test_a_re_run_that_is_pressed_five_times_at_once_is_one_command(tmp_path: Path, what: str) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        path, fields = at.page_of("promo", "again"), {"status": "failed"}
        if what == "corrected":
            failed = await taken(at, "failed.csv")
            shown: Answer = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
            path, fields = at.page_of("promo", "corrected", "send"), {"file": file_in(shown.page)}
        at.simulator.configure(missing=frozenset())
        statuses = await pressed(at, path, 5, **fields)
        assert sorted(statuses) == [303, 422, 422, 422, 422]
        assert [launch.verb for launch in await started_commands(at.given.console, "promo")] == ["retry"]
        await until(lambda: at.state("promo").counts.by_status[Status.DELIVERED] == 12, seconds=40)
        assert at.doubles == 0
        # Again, from a page that the browser has kept: nothing of it is left to send.
        await at.post(path, **fields)
        await asyncio.sleep(1)
        assert at.doubles == 0
        assert len(at.simulator.audit()) == 12


async def test_a_corrected_file_is_its_uploader_s_alone(tmp_path: Path) -> None:
    async with scene(tmp_path, SOME_MISSING) as at:
        await at.run("promo", 12, code=3)
        failed = await taken(at, "failed.csv")
        await set_owner(at.given.console.store, "promo", "sid")
        at.is_now("sid", Role.SENDER)
        shown = await at.upload(at.page_of("promo", "corrected"), failed, "failed.csv")
        at.is_now("ann", Role.APPROVER)
        refused = await at.post(at.page_of("promo", "corrected", "send"), file=file_in(shown.page))
        assert (refused.status, "no longer on this console" in refused.words) == (422, True)
        assert await started_commands(at.given.console, "promo") == []


async def test_a_command_s_campaign_of_the_same_list_and_name_is_not_taken_for_the_draft_s(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        file = tmp_path / "promo.csv"
        file.write_bytes(LIST)
        words = ("run", str(file), "--name=promo", "--message=Something else", f"--ledger={tmp_path}/campaign.db", "--yes")
        told = environment(at.given.console.settings)
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "campaign", *words, env=told, stdout=DEVNULL, stderr=DEVNULL)
        assert await process.wait() == 0
        # As where the command was given in the moment between the look for the name and the start.
        at.store.change(at.draft(draft).id, lambda found: replace(found, stage=Stage.SENDING, starter="sam"))
        app = at.given.client.app
        assert app is not None
        app[SENDER].watch(at.draft(draft))
        await until(lambda: at.draft(draft).stage is not Stage.SENDING)
        assert at.draft(draft).stage is Stage.EDITING
        assert "promo" in at.draft(draft).problem
        assert await owner_of(at.given.console.store, "promo") == ""
        assert {tuple(texts) for texts in at.sent().values()} == {("Something else",)}
