"""The whole way of a promotion, from its list to what arrived."""

from datetime import UTC, datetime
from pathlib import Path

from campaign.console import audit_log
from campaign.console.access import Role
from campaign.console.drafts.draft import Stage
from campaign.console.drafts.pages.controls_page import problems_with
from campaign.settings import IsolatedSettings
from tests.console.drafts_given import CSRF, LIST, MESSAGE, desk


async def test_from_a_list_to_what_arrived(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.given.door.is_now("mia", Role.SENDER)
        answer = await at.settled(await at.upload())
        draft = answer.path.rpartition("/")[0]
        answer = await at.get(f"{draft}/column")
        assert answer.says("drafts.column.suggested")
        assert "8 of 20 rows" in answer.words
        answer = await at.post(f"{draft}/column", column="pass_id")
        assert 'data-insert="{{ first_name }}"' in answer.page
        answer = await at.post(f"{draft}/preview", words="written", message=MESSAGE, go="next", at="0")
        assert "Hi Name 2, C2 gives 20 % off" in answer.words
        await at.post(f"{draft}/message", words="written", message=MESSAGE)
        answer = await at.checked(draft)
        assert "20 can be sent" in answer.words
        assert "2 s at 9 a second" in answer.words
        answer = await at.post(f"{draft}/controls", name="Spring", rate="100")
        assert answer.path == f"{draft}/test"
        answer = await at.post(f"{draft}/test", to="my-own-pass", row="3")
        assert answer.says("drafts.test.delivered")
        assert at.sent() == {"my-own-pass": ["Hi Name 3, C3 gives 20 % off"]}
        answer = await at.get(f"{draft}/send")
        assert "1 s at 100 a second" in answer.words
        assert answer.says("drafts.send.too_fast")
        answer = await at.post(f"{draft}/send")
        assert answer.path == "/campaigns/Spring"
        sent = await at.finished(21)
        assert sent["pass-0007"] == ["Hi Name 7, C7 gives 20 % off"]
        assert {len(texts) for texts in sent.values()} == {1}
        assert at.draft(draft).stage is Stage.SENT
        assert await audit_log.owner_of(at.given.console.store, "Spring") == "mia"
        entries = [(entry.person, entry.action) for entry in await audit_log.entries(at.given.console.store, "Spring")]
        assert ("mia", "sent it") in entries
        assert (await at.get(f"{draft}/list")).status == 200
        answer = await at.post(f"{draft}/message", words="written", message="Another")
        assert (answer.status, answer.codes) == (422, {"already_sent"})
        assert CSRF in answer.page
        assert LIST.count(b"\n") == 21


def test_a_suggestion_in_the_form_ends_as_a_question() -> None:
    found = problems_with({"time_zone": "Europe/Berln"}, IsolatedSettings.read(), now=datetime(2026, 12, 1, tzinfo=UTC))
    assert found == {"time_zone": "“Europe/Berln” is no time zone; write its IANA name; did you mean Europe/Berlin?"}
