"""Pause, go on, cancel, read back, and what the console says of commands that went wrong."""

import asyncio
import fcntl
import sqlite3
from pathlib import Path

import apsw
import psutil

from campaign.console.access import Role
from campaign.console.audit_log import entries, set_owner
from campaign.console.console import Rules
from campaign.console.subprocesses import started_commands
from campaign.domain.model import CampaignState
from campaign.domain.status import Status
from campaign.simulator.config import ENTITY, SimulatorConfig
from campaign.simulator.faults import Fault
from tests.console.campaigns_given import scene
from tests.console.waiting import until

DONE = (CampaignState.FINISHED,)


async def test_the_owner_pauses_goes_on_and_everybody_gets_it_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        process = await at.run("promo", 120, rate=30, code=None, more=("--halt=100",))
        await until(lambda: (tmp_path / "campaign.db").exists() and len(at.simulator.audit()) > 5)
        await set_owner(at.given.console.store, "promo", "sid")
        at.is_now("sid", Role.SENDER)
        page = await at.post(at.page_of("promo", "pause"))
        assert page.path == "/campaigns/promo"
        assert await process.wait() == 5
        assert "is paused" in (await at.get("/campaigns/promo")).words

        asked = await at.get(at.page_of("promo", "resume"))
        left = at.state("promo").counts.open
        assert asked.says("campaigns.resume.sends")
        assert f" {left} " in asked.words
        await at.post(at.page_of("promo", "resume"))
        await at.until_state("promo", *DONE)
        assert (at.state("promo").counts.by_status[Status.DELIVERED], at.doubles) == (120, 0)
        assert [(entry.person, entry.action) for entry in await entries(at.given.console.store, "promo")] == [
            ("sid", "resumed it"),
            ("sid", "paused it"),
        ]
        page = await at.get("/campaigns/promo")
        assert "resumed it" in page.words


async def test_another_token_than_before_is_told_of_before_it_goes_on(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, missing=frozenset({"pass-00002"}))) as at:
        await at.run("promo", 6, code=5, more=("--limit=3",))
        pages = [at.page_of("promo", "resume"), at.page_of("promo", "again", "sure") + "?status=failed"]
        for page in pages:
            assert "PASSENTRY_API_KEY" not in (await at.get(page)).words
        with sqlite3.connect(tmp_path / "campaign.db") as ledger:
            ledger.execute("UPDATE campaigns SET account = 'of another token'")
        ledger.close()
        for page in pages:
            assert "was last started with another PASSENTRY_API_KEY" in (await at.get(page)).words


async def test_a_retry_that_was_stopped_is_finished_before_the_next_one(tmp_path: Path) -> None:
    missing = frozenset({"pass-00001", "pass-00002", "pass-00003"})
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, missing=missing)) as at:
        await at.run("promo", 3, code=3)
        await at.command("retry", "promo", "--yes", "--limit=1", code=5)
        # The first row has failed again: the retry has sent it.
        asked = await at.get(at.page_of("promo", "again", "sure") + "?status=failed")
        assert asked.says("campaigns.again.finish")
        assert asked.says("campaigns.again.open")
        await at.post(at.page_of("promo", "again"), status="failed")
        await until(lambda: not at.state("promo").record.retry_is_open)
        asked = await at.get(at.page_of("promo", "again", "sure") + "?status=failed")
        assert not asked.says("campaigns.again.open")


async def test_cancelling_says_first_what_is_skipped(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 30, code=5, more=("--limit=10",))
        asked = await at.get(at.page_of("promo", "cancel"))
        assert asked.says("campaigns.cancel.skipped")
        assert "20 rows" in asked.words
        assert at.state("promo").state is CampaignState.STOPPED
        # Not sqlite3: the console reads with apsw, and two SQLite libraries in one process drop each other's locks.
        other_writer = apsw.Connection(str(tmp_path / "campaign.db"))
        other_writer.execute("BEGIN IMMEDIATE")
        assert (await at.post(at.page_of("promo", "cancel"))).says("campaigns.launch.working")
        refused = await at.post(at.page_of("promo", "cancel"))
        assert (refused.status, refused.codes) == (422, {"busy"})
        other_writer.close()
        await until(lambda: at.state("promo").counts.by_status[Status.SKIPPED] == 20, seconds=40)
        (begun,) = await started_commands(at.given.console, "promo")
        await until(lambda: not begun.running())
        with begun.said.open("rb") as still_running:
            fcntl.flock(still_running, fcntl.LOCK_EX)
            assert (await at.post(at.page_of("promo", "cancel"))).codes == {"busy"}
        assert (await at.post(at.page_of("promo", "cancel"))).codes == {"not_now"}
        assert (await asyncio.to_thread(Path(at.state("promo").results).read_text)).count(",skipped,cancelled,") == 20
        assert (await at.post(at.page_of("promo", "resume"))).status == 422
        assert len(at.simulator.audit()) == 10


async def test_a_campaign_that_is_being_sent_is_cancelled_besides(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.run("promo", 600, rate=30, code=5, more=("--limit=1",))
        await at.post(at.page_of("promo", "resume"))
        await at.until_state("promo", CampaignState.SENDING)
        assert (await at.post(at.page_of("promo", "cancel"))).path == "/campaigns/promo"
        await at.until_state("promo", CampaignState.CANCELLED)
        known = await started_commands(at.given.console, "promo")
        await until(lambda: not any(one.running() for one in known))
        assert [one.verb for one in known] == ["cancel", "resume"]
        told = await asyncio.to_thread(Path(at.state("promo").results).read_text)
        assert told.count(",skipped,cancelled,") == 600 - len(at.simulator.audit()) > 0


async def test_batches_that_a_killed_run_left_are_shown_and_cancelled_at_passentry(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, validation_seconds=60.0)) as at:
        process = await at.run("promo", 30, code=None, more=("--via=batch", f"--entity={ENTITY}"))
        await until(lambda: bool(at.simulator.batches()), seconds=40)
        process.kill()
        # What `prefork.executable` has started ends a little later; until then cancel leaves the batch to it.
        await at.until_state("promo", CampaignState.STOPPED)
        page = at.page_of("promo", "cancel")
        assert "30 rows are in 1 batch at PassEntry" in (await at.get("/campaigns/promo")).words
        assert (await at.get(page)).says("campaigns.cancel.batches")
        assert (await at.post(page)).path == "/campaigns/promo"
        await until(lambda: at.state("promo").counts.by_status[Status.SKIPPED] == 30, seconds=40)
        assert [batch.status for batch in at.simulator.batches()] == ["cancelled"]
        (begun,) = await started_commands(at.given.console, "promo")
        await until(lambda: not begun.running())
        shown = await at.get("/campaigns/promo")
        assert not shown.says("campaigns.launch.failed")
        assert "30 rows were in batches at PassEntry" in shown.words
        assert (await at.get(page)).status == 422


async def test_unknown_rows_are_read_back(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, faults={Fault.CUT_AFTER: 1.0})) as at:
        await at.run("promo", 4, code=3, more=("--on-unknown=hold",))
        assert at.state("promo").counts.by_status[Status.UNKNOWN] == 4
        await at.post(at.page_of("promo", "verify"))
        await until(lambda: at.state("promo").counts.by_status[Status.ACCEPTED] == 4, seconds=40)
        assert len(at.simulator.audit()) == 4


async def test_a_command_that_went_wrong_is_told_with_its_last_sentence_and_no_token(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, tokens=frozenset({"another-token"}))) as at:
        await at.run("promo", 5, code=4)
        await at.post(at.page_of("promo", "resume"))
        known = await started_commands(at.given.console, "promo")
        await until(lambda: not known[0].running())
        page = await at.get("/campaigns/promo")
        assert page.says("campaigns.launch.failed")
        assert "401" in page.words
        assert "a-token-for" not in page.page + known[0].said.read_text() + known[0].log.read_text()
        at.is_now("vera", Role.VIEWER)
        assert (await at.get("/campaigns/promo")).says("campaigns.launch.failed")


async def test_a_command_that_can_not_begin_is_told_too(tmp_path: Path) -> None:
    async with scene(tmp_path, token="") as at:
        await at.run("promo", 5, code=5, more=("--limit=1",))
        await at.post(at.page_of("promo", "resume"))
        (begun,) = await started_commands(at.given.console, "promo")
        await until(lambda: not begun.running())
        assert "PASSENTRY_API_KEY" in (await at.get("/campaigns/promo")).words


async def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    async with scene(tmp_path, SimulatorConfig(limit_per_second=0, faults={Fault.CUT_AFTER: 1.0, Fault.READ_HANG: 1.0})) as at:
        await at.run("promo", 2, code=3, more=("--on-unknown=hold",))
        await at.post(at.page_of("promo", "verify"))
        refused = await at.post(at.page_of("promo", "verify"))
        assert (refused.status, refused.codes) == (422, {"busy"})
        assert (await at.get("/campaigns/promo")).says("campaigns.launch.working")
        (begun,) = await started_commands(at.given.console, "promo")
        assert begun.running()
        await end(begun.id, at.folder)


async def test_one_that_was_never_begun_needs_an_approver_if_it_is_large(tmp_path: Path) -> None:
    async with scene(tmp_path, rules=Rules(approval_over=10)) as at:
        await at.run("promo", 30, code=5, more=("--start-at=2100-01-01", "--no-wait"))
        await set_owner(at.given.console.store, "promo", "sid")
        at.is_now("sid", Role.SENDER)
        refused = await at.post(at.page_of("promo", "resume"))
        assert refused.status == 403
        assert refused.says("campaigns.one.needs_approver")
        assert await started_commands(at.given.console, "promo") == []


async def end(number: int, folder: Path) -> None:
    """Kill a launched command, found by the log on its command line."""
    for process in psutil.process_iter(["cmdline"]):
        if f"--log-file={folder / 'launches' / f'{number}.log'}" in (process.info["cmdline"] or []):
            process.kill()
