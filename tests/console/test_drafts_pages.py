"""The pages of a draft: what they show, what they refuse, and that nothing of a list is ever more than text."""

import asyncio
import csv
import hashlib
import io
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.console.drafts.draft import Draft, Stage, Upload
from campaign.console.drafts.store import KEPT_SECONDS, DraftStore
from campaign.domain.model import Invalid, Skip
from campaign.domain.text.reasons import reason_in_words
from campaign.simulator.config import ENTITY
from campaign.simulator.passes import PassChange
from tests.console.answers import TEXTS
from tests.console.drafts_given import LIST, MESSAGE, desk

SCRIPT = "<script>alert(1)</script>"


async def test_a_script_in_every_place_is_text_everywhere(tmp_path: Path) -> None:
    columns = ["pass_id", f"{SCRIPT} name", 'a"onmouseover="x', "{{ 7 * 7 }}"]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in range(3):
        writer.writerow([f"{SCRIPT}{row}", SCRIPT, SCRIPT, SCRIPT])
    writer.writerow(["", SCRIPT, SCRIPT, SCRIPT])
    writer.writerow([f"{SCRIPT}0", "=cmd()", SCRIPT, SCRIPT])
    content = out.getvalue().encode()
    async with desk(tmp_path) as at:
        message = f"{SCRIPT} {{{{ script_alert_1_script_name }}}} {{{{ a_onmouseover_x }}}}"
        draft = await at.begun(content, f"{SCRIPT}.csv", message=message)
        await at.upload(b"pass_id\n" + SCRIPT.encode(), f"{SCRIPT}.csv", path=f"{draft}/exclude", field="exclude")
        await at.post(f"{draft}/preview", words="written", message=message)
        await at.checked(draft)
        answers = [await at.get(f"{draft}/{step}") for step in ("list", "column", "message", "check", "controls", "test", "send")]
        answers += [
            await at.get("/new"),
            await at.post(f"{draft}/preview", words="written", message=message),
            await at.post(f"{draft}/controls", name=SCRIPT, rate=SCRIPT, time_zone=SCRIPT, start_at=SCRIPT, opens=SCRIPT, canary=SCRIPT),
            await at.post(f"{draft}/test", to=SCRIPT, row=SCRIPT),
            await at.post(f"{draft}/message", words="written", message=f"{{{{ {SCRIPT} }}}}"),
        ]
        for answer in answers:
            assert SCRIPT not in answer.page, answer.path
            assert 'onmouseover="x' not in answer.page, answer.path
        assert any("&lt;script&gt;alert(1)&lt;/script&gt;" in answer.page for answer in answers)


async def test_the_rows_that_can_t_be_sent_are_a_file_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    rows = b"pass_id,first_name,code\na,=cmd(),1\n,+1,2\nb,,3\na,x,4\n1.23E+15,x,5\n"
    async with desk(tmp_path) as at:
        draft = await at.begun(rows)
        answer = await at.get(f"{draft}/check")
        assert "1 can be sent" in answer.words
        assert f"{reason_in_words(Invalid.NO_ID)} Line 3 (row 2)" in answer.words
        assert f"{reason_in_words(Invalid.MANGLED_ID)} Line 6 (row 5)" in answer.words
        async with at.given.client.get(f"{draft}/problem-rows.csv") as file:
            assert file.content_type == "text/csv"
            assert file.headers["Content-Disposition"] == 'attachment; filename="problem-rows.csv"'
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            found = list(csv.DictReader(io.StringIO((await file.read()).decode("utf-8-sig"))))
        assert [row["delivery_row"] for row in found] == ["2", "3", "4", "5"]
        assert found[0]["first_name"] == "'+1"
        assert found[1]["delivery_reason"] == "missing_field"


async def test_several_columns_could_be_the_pass_s_so_a_person_chooses(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        answer = await at.upload(b"id,ext_id,name\n1,a,x\n")
        assert answer.says("drafts.column.several")
        assert "id, ext_id" in answer.words
        assert " checked" not in answer.page
        draft = answer.path.rpartition("/")[0]
        answer = await at.post(f"{draft}/column", column="no such")
        assert (answer.status, answer.says("drafts.column.choose")) == (422, True)
        answer = await at.get(f"{draft}/message")
        assert answer.says("drafts.locked.column")
        answer = await at.post(f"{draft}/message", words="written", message="x")
        assert answer.path == f"{draft}/message"
        assert at.draft(draft).message == ""
        await at.post(f"{draft}/column", column="ext_id")
        answer = await at.get(f"{draft}/check")
        assert answer.says("drafts.locked.message")


async def test_a_mistake_in_the_message_is_told_at_its_place_and_the_text_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = (await at.upload()).path.rpartition("/")[0]
        await at.post(f"{draft}/column", column="pass_id")
        for message, said in (
            ("", TEXTS["drafts.message.empty"]),
            ("Hi\n{{ frist_name }}", "{{ first_name }}"),
            ("Hi {{ first_name", "Line 1: "),
            ("{{ ''.__class__ }}", "Line 1:"),
        ):
            answer = await at.post(f"{draft}/message", words="written", message=message)
            assert answer.status == 422 if message else answer.path == f"{draft}/message"
            assert said in answer.words
            assert at.draft(draft).message == message
            assert (await at.get(f"{draft}/check")).says("drafts.locked.message")


async def test_the_preview_shows_what_a_lock_screen_shows_of_any_script(tmp_path: Path) -> None:
    rows = "pass_id,name\n1,Ada\n2,\n3,שלום\n4,{}\n".format("👩‍👩‍👧‍👦" * 150).encode()
    async with desk(tmp_path) as at:
        draft = (await at.upload(rows)).path.rpartition("/")[0]
        await at.post(f"{draft}/column", column="pass_id")
        asked = {"words": "written", "message": "{{ name }}"}
        assert "3 characters" in (await at.post(f"{draft}/preview", **asked, at="0")).words
        answer = await at.post(f"{draft}/preview", **asked, at="1")
        assert "row 2" in answer.words
        assert "“name”" in answer.words
        answer = await at.post(f"{draft}/preview", **asked, at="1", go="next")
        assert 'dir="auto">שלום' in answer.page
        answer = await at.post(f"{draft}/preview", **asked, at="0", go="long")
        assert "150 characters" in answer.words
        assert f"{'👩‍👩‍👧‍👦' * 140}<span" in answer.page
        answer = await at.post(f"{draft}/preview", **asked, at="999999999999", go="previous")
        assert "Line 5 (row 4)" in answer.words


async def test_the_list_may_have_the_messages(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "100"}) as at:
        draft = (await at.upload(b"pass_id,message\na,Hello A\nb,Hello B\n")).path.rpartition("/")[0]
        answer = await at.post(f"{draft}/column", column="pass_id")
        assert answer.says("drafts.message.column")
        assert (await at.post(f"{draft}/message", words="column", message="")).path == f"{draft}/check"
        assert "2 can be sent" in (await at.checked(draft)).words
        await at.post(f"{draft}/send")
        assert await at.finished(2) == {"a": ["Hello A"], "b": ["Hello B"]}


async def test_a_control_that_can_t_be_is_told_at_its_field_and_nothing_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = at.store.begin("sam")
        at.store.change(draft.id, _ready)
        (at.store.folder_of(draft.id) / "list.csv").write_bytes(LIST)
        path = f"/drafts/{draft.id}"
        await at.settled(await at.get(f"{path}/list"))
        for field, value in (
            ("rate", "fast"),
            ("rate", "-1"),
            ("time_zone", "Europe/Berln"),
            ("opens", "9"),
            ("start_at", "soon"),
            ("not_after", "2001-01-01"),
            ("canary", "0"),
            ("limit", "many"),
            ("sample", "1.5"),
            ("daily_cap", "-3"),
            ("halt", "often"),
            ("on_unknown", "guess"),
            ("lock_screen", "0"),
            ("name", ""),
            ("name", "a/b"),
            ("name", ".."),
            ("name", "x" * 101),
        ):
            answer = await at.post(f"{path}/controls", **({"name": "promo", "canary": "5", "not_after": "2099-01-01"} | {field: value}))
            assert answer.status == 422
            assert set(re.findall(r'id="(\w+)-wrong"', answer.page)) == {field}
            assert at.store.find(draft.id) == _ready(draft)


async def test_controls_reach_the_command(tmp_path: Path) -> None:
    async with desk(tmp_path, settings={"rate": "100"}) as at:
        at.simulator.set_pass("pass-0005", PassChange(status="removed"))
        draft = await at.begun()
        await at.upload(b"pass_id\npass-0001\npass-0002\n", "left.csv", path=f"{draft}/exclude", field="exclude")
        await at.upload(b"id\npass-0003\n", "gone.csv", path=f"{draft}/exclude", field="exclude")
        await at.upload(b"id\npass-0004\n", "stays.csv", path=f"{draft}/exclude", field="exclude")
        await at.post(f"{draft}/exclude/remove", file="exclude-3.csv")
        assert [upload.name for upload in at.draft(draft).excludes] == ["left.csv", "gone.csv"]
        fields = {
            "name": "-- odd; name --yes",
            "rate": "50",
            "opens": "00:00",
            "closes": "24:00",
            "canary": "2",
            "limit": "5",
            "baseline": "true",
            "only_reachable": "true",
        }
        fields |= {"time_zone": "Asia/Tokyo", "not_after": "2099-01-01T00:00", "on_unknown": "hold", "daily_cap": "1", "halt": "90%"}
        answer = await at.post(f"{draft}/controls", **fields)
        assert answer.path == f"{draft}/test", answer.words
        assert reason_in_words(Skip.EXCLUDED) in (await at.checked(draft)).words
        answer = await at.get(f"{draft}/send")
        assert "5 of 17" in answer.words
        answer = await at.post(f"{draft}/send")
        assert answer.path == "/campaigns/-- odd; name --yes"
        sent = await at.finished(5)
        assert set(sent) == {f"pass-{row:04}" for row in (4, 6, 7, 8, 9)}


async def test_batches_are_chosen_with_an_entity_and_send_the_campaign(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        for fields, wrong in (({}, "entity"), ({"entity": ENTITY, "baseline": "true"}, "baseline")):
            answer = await at.post(f"{draft}/controls", name="promo", via="batch", **fields)
            assert (answer.status, f'id="{wrong}-wrong"' in answer.page) == (422, True), answer.words
        answer = await at.post(f"{draft}/controls", name="promo", via="batch", entity=ENTITY)
        assert answer.path == f"{draft}/test", answer.words
        assert "PassEntry's batches" in (await at.get(f"{draft}/send")).words
        assert (await at.post(f"{draft}/send")).path == "/campaigns/promo"
        assert len(await at.finished(20)) == 20
        assert [batch.total_recipients for batch in at.simulator.batches()] == [20]


async def test_a_message_that_batches_can_t_say_is_refused_where_they_are_chosen(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun(message="50 %{off}")
        answer = await at.post(f"{draft}/controls", name="promo", via="batch", entity=ENTITY)
        assert (answer.status, 'id="via-wrong"' in answer.page) == (422, True)
        assert (await at.post(f"{draft}/controls", name="promo", entity=ENTITY)).path == f"{draft}/test"


async def test_an_exclude_list_that_can_t_be_read_is_refused_whole(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        for content, place in ((b"pass_id\n1.23E+15\n", "left.csv, line 2 (row 1): "), (b"name\nx\n", "left.csv: ")):
            answer = await at.upload(content, "left.csv", path=f"{draft}/exclude", field="exclude")
            assert (answer.status, answer.codes, place in answer.words) == (422, {"exclusion_not_usable"}, True), answer.words
        assert at.draft(draft).excludes == ()
        assert not [file for file in at.files() if "exclude" in file or ".part" in file]


async def test_a_test_that_can_t_be_sent_says_why(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        for fields, said in (
            ({"to": " "}, TEXTS["drafts.test.no_pass"]),
            ({"to": "1.23E+15"}, "1.23E+15 "),
            ({"to": "mine", "row": "x"}, TEXTS["drafts.test.no_row"]),
            ({"to": "mine", "row": "99"}, " 99"),
            ({"to": "--yes", "row": "1"}, TEXTS["drafts.test.delivered"]),
        ):
            assert said in (await at.post(f"{draft}/test", **fields)).words


async def test_a_test_that_is_pressed_twice_is_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        answers = await asyncio.gather(*(at.post(f"{draft}/test", to="mine") for _ in range(3)))
        assert sorted(answer.status for answer in answers) == [200, 422, 422]
        assert [len(texts) for texts in at.sent().values()] == [1]


async def test_a_test_that_fails_says_why(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        draft = await at.begun()
        at.simulator.configure(faults={"not_found": 1.0})
        answer = await at.post(f"{draft}/test", to="mine")
        assert answer.says("drafts.test.failed")
        assert reason_in_words("http_404") in answer.words
        at.simulator.configure(faults={"not_delivered": 1.0})
        answer = await at.post(f"{draft}/test", to="mine")
        assert answer.says("drafts.test.not_delivered")
        assert (await at.get(f"{draft}/send")).says("drafts.send.untested")


def test_drafts_outlive_the_console_until_nobody_has_touched_them_for_a_month(tmp_path: Path) -> None:
    now = time.time()
    store = DraftStore(tmp_path)
    old, young, sent, waiting = (store.begin("sam") for _ in range(4))
    store.change(old.id, lambda found: replace(found, changed_at=now - KEPT_SECONDS - 1))
    store.change(waiting.id, lambda found: replace(found, changed_at=now - KEPT_SECONDS - 1, stage=Stage.WAITING))
    store.change(sent.id, lambda found: replace(found, changed_at=0.0, stage=Stage.SENT))
    again = DraftStore(tmp_path)
    assert {draft.id for draft in again.sweep(now)} == {old.id, waiting.id}
    assert {draft.id for draft in again.all()} == {young.id, sent.id}
    assert again.find(young.id) == young
    assert {entry.name for entry in (tmp_path / "drafts").iterdir()} == {".lock", young.id, sent.id}


def test_what_a_killed_console_left_of_an_upload_is_gone_at_the_next_start(tmp_path: Path) -> None:
    store = DraftStore(tmp_path)
    half, whole = store.begin("sam"), store.begin("sam")
    store.change(whole.id, _ready)
    for draft in (half, whole):
        (store.folder_of(draft.id) / ".part-1").write_bytes(b"x")
    DraftStore(tmp_path).drop_parts()
    assert [draft.id for draft in store.all()] == [whole.id]
    assert not list(tmp_path.rglob(".part-*"))


@pytest.mark.parametrize("name", ["..", "../x", "a" * 32 + "/..", "A" * 32, "", "\0"])
def test_only_an_id_of_ours_is_looked_for(tmp_path: Path, name: str) -> None:
    assert DraftStore(tmp_path).find(name) is None


def _ready(draft: Draft) -> Draft:
    given = Upload(file="list.csv", name="promo.csv", size_bytes=len(LIST), sha256=hashlib.sha256(LIST).hexdigest())
    return replace(draft, list=given, name="promo", column="pass_id", message=MESSAGE, settled=True)
