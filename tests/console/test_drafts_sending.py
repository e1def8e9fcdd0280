"""From a draft to one campaign: however often it is pressed, whoever presses it, and whenever the console dies."""

import asyncio
from dataclasses import replace
from pathlib import Path

from campaign.app.open_ledger import reading
from campaign.console import audit_log
from campaign.console.access import Role
from campaign.console.console import Rules
from campaign.console.drafts.draft import Stage
from campaign.console.drafts.wizard import SENDER
from campaign.console.subprocesses import started_commands
from tests.console.drafts_given import Desk, desk
from tests.console.waiting import until


async def test_pressed_five_times_at_once_in_as_many_tabs_it_is_one_campaign(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        draft = await at.begun()
        answers = await asyncio.gather(*(at.post(f"{draft}/send") for _ in range(5)))
        assert {answer.path for answer in answers} == {"/campaigns/promo"}
        sent = await at.finished(20)
        assert {len(texts) for texts in sent.values()} == {1}
        assert (await at.post(f"{draft}/send")).path == "/campaigns/promo"
        assert len(await started_commands(at.given.console, "promo")) == 1
        assert campaigns(at) == ["promo"]


async def test_a_name_that_is_taken_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        first = await at.begun()
        await at.post(f"{first}/send")
        await at.finished(20)
        second = await at.begun(b"pass_id,first_name,code\na,b,c\n")
        answer = await at.get(f"{second}/send")
        assert answer.codes == {"other_content"}
        answer = await at.post(f"{second}/send")
        assert answer.status == 422
        assert at.draft(second).stage is Stage.EDITING
        answer = await at.post(f"{second}/controls", name="promo")
        assert (answer.status, 'id="name-wrong"' in answer.page) == (422, True)
        await at.post(f"{second}/controls", name="promo 2")
        assert (await at.post(f"{second}/send")).path == "/campaigns/promo 2"
        await at.finished(21)


async def test_a_list_that_was_sent_under_another_name_is_told_before_it_is_sent_again(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        first, second = await at.begun(), await at.begun()
        other = await at.begun(message="Another message")
        await at.post(f"{first}/send")
        await at.finished(20)
        # The second was checked before the first was sent.
        for draft in (second, other):
            await at.post(f"{draft}/controls", name="promo 2")
        answer = await at.get(f"{second}/send")
        assert answer.codes == {"same_content"}
        assert "“promo”" in answer.words
        assert (await at.get(f"{other}/send")).codes == set()


async def test_two_drafts_of_one_name_sent_at_once_are_one_campaign_and_a_sentence(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        drafts = [await at.begun(), await at.begun(b"pass_id,first_name,code\na,b,c\n")]
        answers = await asyncio.gather(*(at.post(f"{draft}/send") for draft in drafts))
        assert sorted(answer.status == 422 for answer in answers) == [False, True]
        assert sorted(at.draft(draft).stage for draft in drafts) == [Stage.EDITING, Stage.SENT]


async def test_a_command_that_ends_at_once_says_why_on_the_draft_which_can_be_changed_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        folder = at.store.folder_of(at.draft(draft).id)
        (folder / "results.csv").mkdir()
        answer = await at.post(f"{draft}/send")
        assert answer.path == f"{draft}/send"
        assert 'role="alert"' in answer.page
        assert at.draft(draft).problem
        assert at.draft(draft).stage is Stage.EDITING
        assert await audit_log.owner_of(at.given.console.store, "promo") == ""
        (folder / "results.csv").rmdir()
        assert (await at.post(f"{draft}/send")).path == "/campaigns/promo"
        await at.finished(20)


async def test_files_that_are_not_what_was_checked_are_not_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        (at.store.folder_of(at.draft(draft).id) / "message.txt").write_text("Something else", encoding="utf-8")
        answer = await at.post(f"{draft}/send")
        assert 'role="alert"' in answer.page
        assert at.draft(draft).problem
        assert at.sent() == {}


async def test_a_console_that_was_killed_before_it_started_the_command_starts_it_when_it_is_started_again(tmp_path: Path) -> None:
    settings = {"rate": "200"}
    async with desk(tmp_path, settings=settings) as at:
        draft = await at.begun()
        number = at.draft(draft).id
        at.store.change(number, lambda found: replace(found, stage=Stage.SENDING, starter="sam"))
    async with desk(tmp_path, settings=settings) as at:
        sent = await at.finished(20)
        assert {len(texts) for texts in sent.values()} == {1}
        await until_sent(at, draft)
        assert await audit_log.owner_of(at.given.console.store, "promo") == "sam"


async def test_a_console_that_was_killed_after_it_started_the_command_sends_nothing_twice(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "40"}) as at:
        draft = await at.begun()
        await at.post(f"{draft}/send")
        await at.finished(3)
        at.store.change(at.draft(draft).id, lambda found: replace(found, stage=Stage.SENDING))
        again = at.given.client.app[SENDER]
        await again.recover()
        await until_sent(at, draft)
        sent = await at.finished(20)
        assert {len(texts) for texts in sent.values()} == {1}
        assert len(await started_commands(at.given.console, "promo")) == 2


async def test_a_campaign_of_the_name_that_came_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        first, second = await at.begun(), await at.begun(b"pass_id,first_name,code\na,b,c\n")
        await at.post(f"{first}/send")
        await at.finished(20)
        at.store.change(at.draft(second).id, lambda found: replace(found, stage=Stage.SENDING, starter="sam"))
        at.given.client.app[SENDER].watch(at.draft(second))
        await until(lambda: at.draft(second).stage is not Stage.SENDING)
        assert at.draft(second).stage is Stage.EDITING
        assert "“promo”" in at.draft(second).problem
        assert len(at.sent()) == 20


async def test_over_ten_thousand_the_number_is_typed(tmp_path: Path) -> None:
    rows = b"pass_id\n" + b"".join(f"p{row}\n".encode() for row in range(10_001))
    async with desk(tmp_path, settings={"limit": "10001"}) as at:
        draft = await at.begun(rows, message="Hello")
        answer = await at.get(f"{draft}/send")
        assert 'name="number"' in answer.page
        for number in ("", "10000", "yes"):
            answer = await at.post(f"{draft}/send", number=number)
            assert (answer.status, at.draft(draft).stage) == (422, Stage.EDITING)
            assert answer.says("drafts.send.wrong_number")
        answer = await at.post(f"{draft}/controls", name="promo", limit="3")
        assert 'name="number"' not in (await at.get(f"{draft}/send")).page
        answer = await at.post(f"{draft}/send")
        assert answer.path == "/campaigns/promo"
        await at.finished(3)


async def test_a_draft_in_the_making_can_t_be_removed_once_it_is_sent(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "200"}) as at:
        draft = await at.begun()
        await at.post(f"{draft}/send")
        await at.finished(20)
        assert (await at.post(f"{draft}/remove")).status == 422
        assert at.draft(draft).stage is Stage.SENT


async def test_a_draft_of_another_is_not_there_for_anybody_but_an_approver(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=Rules(approval_over=5)) as at:
        at.given.door.is_now("mia", Role.SENDER)
        draft = await at.begun()
        steps = ("list", "column", "message", "check", "controls", "test", "send", "problem-rows.csv")
        at.given.door.is_now("bob", Role.SENDER)
        assert {(await at.get(f"{draft}/{step}")).status for step in steps} == {404}
        posts = ("column", "message", "preview", "controls", "exclude/remove", "test", "send", "ask", "take-back", "remove")
        assert {(await at.post(f"{draft}/{step}")).status for step in posts} == {404}
        assert (await at.upload(path=f"{draft}/list")).status == 404
        assert (await at.upload(path=f"{draft}/exclude")).status == 404
        assert "promo" not in (await at.get("/new")).words
        at.given.door.is_now("vic", Role.VIEWER)
        assert {(await at.get(f"{draft}/{step}")).status for step in steps} == {403}
        assert {(await at.post(f"{draft}/{step}")).status for step in (*posts, "approve", "send-back")} == {403}
        assert (await at.get("/new")).status == 403
        at.given.door.is_now("ada", Role.APPROVER)
        assert (await at.get(f"{draft}/message")).status == 200
        assert "mia" in (await at.get("/new")).words


def campaigns(at: Desk) -> list[str]:
    with reading(at.given.console.settings) as reader:
        return [record.spec.name for record in reader.campaigns()]


async def until_sent(at: Desk, draft: str) -> None:
    await until(lambda: at.draft(draft).stage is Stage.SENT)
