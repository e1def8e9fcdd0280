"""A second person for a large campaign: who may, and what their word is worth."""

import asyncio
from pathlib import Path

from campaign.console import audit_log
from campaign.console.access import Role
from campaign.console.console import Rules
from campaign.console.drafts.draft import Stage
from campaign.console.subprocesses import started_commands
from tests.console.drafts_given import MESSAGE, Desk, desk

RULES = Rules(approval_over=19)


async def test_over_the_limit_somebody_else_has_to_agree_and_their_word_sends_it(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES, settings={"rate": "200"}) as at:
        draft = await asked(at)
        answer = await at.get(f"{draft}/send")
        assert answer.says("drafts.send.waits")
        answer = await at.post(f"{draft}/send")
        assert (answer.status, answer.codes) == (422, {"waiting_for_approval"})
        at.given.door.is_now("mia", Role.APPROVER)
        assert (await at.get("/approvals/count")).words == ""
        at.given.door.is_now("ada", Role.APPROVER)
        assert (await at.get("/approvals/count")).words == "that wait for you: 1"
        assert "promo promo.csv mia" in (await at.get("/approvals")).words
        content = at.draft(draft).content
        answers = await asyncio.gather(*(at.post(f"{draft}/approve", content=content) for _ in range(3)))
        assert {answer.path for answer in answers} == {"/campaigns/promo"}
        sent = await at.finished(20)
        assert {len(texts) for texts in sent.values()} == {1}
        assert len(await started_commands(at.given.console, "promo")) == 1
        assert await audit_log.owner_of(at.given.console.store, "promo") == "mia"
        entries = {(entry.person, entry.action) for entry in await audit_log.entries(at.given.console.store, "promo")}
        assert {("mia", "asked for approval"), ("ada", "approved it"), ("ada", "sent it")} <= entries
        assert (await at.get("/approvals/count")).words == ""


async def test_nobody_approves_their_own_work(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        at.given.door.is_now("mia", Role.APPROVER)
        draft = await at.begun()
        assert (await at.post(f"{draft}/send")).status == 422
        await at.post(f"{draft}/ask")
        content = at.draft(draft).content
        answer = await at.post(f"{draft}/approve", content=content)
        assert (answer.status, answer.codes) == (422, {"own_work"})
        at.given.door.is_now("ada", Role.APPROVER)
        await at.post(f"{draft}/take-back")
        await at.post(f"{draft}/message", words="written", message="Hello {{ first_name }}")
        await at.checked(draft)
        await at.post(f"{draft}/ask")
        for name in ("ada", "mia"):
            at.given.door.is_now(name, Role.APPROVER)
            answer = await at.post(f"{draft}/approve", content=at.draft(draft).content)
            assert (answer.status, at.draft(draft).stage) == (422, Stage.WAITING)
        assert at.sent() == {}


async def test_a_sender_and_a_viewer_can_t_approve(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        draft = await asked(at)
        content = at.draft(draft).content
        for name, role in (("mia", Role.SENDER), ("bob", Role.SENDER), ("vic", Role.VIEWER)):
            at.given.door.is_now(name, role)
            assert (await at.post(f"{draft}/approve", content=content)).status == 403
            assert (await at.post(f"{draft}/send-back", note="no")).status == 403
            assert (await at.get("/approvals")).status == 403
        assert at.draft(draft).stage is Stage.WAITING


async def test_what_waits_can_t_be_changed_until_it_is_taken_back(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        draft = await asked(at)
        before = at.draft(draft)
        for answer in (
            await at.post(f"{draft}/message", words="written", message="Another"),
            await at.post(f"{draft}/column", column="code"),
            await at.post(f"{draft}/controls", name="promo", rate="1"),
            await at.post(f"{draft}/exclude/remove", file="exclude-1.csv"),
            await at.upload(path=f"{draft}/list"),
            await at.upload(path=f"{draft}/exclude"),
        ):
            assert answer.status == 422
            assert answer.codes == {"waiting_for_approval"} or answer.says("drafts.steps.waiting")
        assert at.draft(draft) == before
        await at.post(f"{draft}/take-back")
        assert at.draft(draft).stage is Stage.EDITING
        answer = await at.post(f"{draft}/controls", name="promo", rate="1")
        assert answer.status == 200


async def test_an_approval_is_of_what_was_looked_at(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        draft = await asked(at)
        seen = at.draft(draft).content
        await at.post(f"{draft}/take-back")
        await at.post(f"{draft}/message", words="written", message="Free money, {{ first_name }}")
        await at.checked(draft)
        await at.post(f"{draft}/ask")
        at.given.door.is_now("ada", Role.APPROVER)
        answer = await at.post(f"{draft}/approve", content=seen)
        assert (answer.status, answer.codes) == (422, {"changed_meanwhile"})
        assert at.sent() == {}


async def test_a_change_after_an_approval_voids_it(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        draft = await asked(at)
        folder = at.store.folder_of(at.draft(draft).id)
        (folder / "results.csv").mkdir()
        at.given.door.is_now("ada", Role.APPROVER)
        answer = await at.post(f"{draft}/approve", content=at.draft(draft).content)
        assert 'role="alert"' in answer.page
        (folder / "results.csv").rmdir()
        assert at.draft(draft).is_approved
        at.given.door.is_now("mia", Role.SENDER)
        assert (await at.get(f"{draft}/send")).says("drafts.send.approved")
        await at.post(f"{draft}/controls", name="promo", rate="5")
        answer = await at.post(f"{draft}/send")
        assert (answer.status, answer.codes) == (422, {"needs_approval"})
        await at.post(f"{draft}/controls", name="promo")
        assert (await at.post(f"{draft}/send")).path == "/campaigns/promo"
        await at.finished(20)


async def test_sent_back_with_a_note_it_can_be_changed_again(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        draft = await asked(at)
        at.given.door.is_now("ada", Role.APPROVER)
        assert (await at.post(f"{draft}/send-back", note=" ")).status == 422
        await at.post(f"{draft}/send-back", note="The code is <b>wrong</b>")
        at.given.door.is_now("mia", Role.SENDER)
        answer = await at.get(f"{draft}/send")
        assert answer.says("drafts.send.returned")
        assert "The code is <b>wrong</b>" in answer.words
        assert "<b>wrong" not in answer.page
        assert "Sent back" in (await at.get("/new")).words
        assert (await at.post(f"{draft}/message", words="written", message=MESSAGE)).path == f"{draft}/check"


async def test_up_to_the_limit_nobody_is_needed(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=Rules(approval_over=20), settings={"rate": "200"}) as at:
        at.given.door.is_now("mia", Role.SENDER)
        draft = await at.begun()
        assert (await at.post(f"{draft}/send")).path == "/campaigns/promo"
        await at.finished(20)


async def test_a_limit_on_this_run_makes_it_no_smaller(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=RULES) as at:
        at.given.door.is_now("mia", Role.SENDER)
        draft = await at.begun()
        await at.post(f"{draft}/controls", name="promo", limit="1")
        answer = await at.post(f"{draft}/send")
        assert (answer.status, answer.codes) == (422, {"needs_approval"})


async def asked(at: Desk) -> str:
    """A draft of mia's that waits."""
    at.given.door.is_now("mia", Role.SENDER)
    draft = await at.begun()
    assert (await at.get(f"{draft}/send")).says("drafts.send.needs")
    answer = await at.post(f"{draft}/ask")
    assert (answer.path, at.draft(draft).stage) == (f"{draft}/send", Stage.WAITING)
    return draft
