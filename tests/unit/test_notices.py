"""Notices: whom they may be for, when, and what they say."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from campaign.app.notices import blotted, check_notices, notice_of, notice_of_error
from campaign.domain.errors import CampaignError, InputError, LedgerError, SafeguardError, UsageError
from campaign.domain.model import CampaignState, Counts, Status
from campaign.domain.notices import Occasion, occasion_of, parse_addresses, parse_occasions, service_of
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control
from campaign.reporter.summary import in_a_line, in_brief
from campaign.settings import GivenSettings

FIGURES = {Status.DELIVERED: 900, Status.FAILED: 60, Status.UNKNOWN: 1, Status.PENDING: 39}


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results that are spoken of are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("offer.results.csv", "offer.results.failed.csv"):
        (tmp_path / name).touch()


def seen(figures: dict[Status, int], state: CampaignState, *, ended: str = "") -> CampaignView:
    spec = CampaignSpec(
        name="offer", list_name="offer.csv", list_sha256="", message_sha256="", columns=("id",), id_column="id", settings={}
    )
    counts = Counts(by_status=dict.fromkeys(Status, 0) | figures)
    record = CampaignRecord(
        id=1, spec=spec, content_sha256="", rows=counts.rows, control=Control.GO, created_at=1, started_at=1, finished_at=0, ended=ended
    )
    return CampaignView(record=record, state=state, counts=counts, results="offer.results.csv")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", []),
        ("slack://a/b/c", ["slack://a/b/c"]),
        (" json://one/x?a=1 , json://two/y\n", ["json://one/x?a=1", "json://two/y"]),
        ("json://one,json://two json://three", ["json://one", "json://two", "json://three"]),
        # Both recipients belong to the one mail.
        ("mailto://u:p@example.com?to=a@x.com,b@x.com, json://two", ["mailto://u:p@example.com?to=a@x.com,b@x.com", "json://two"]),
        (["json://one", "json://two"], ["json://one", "json://two"]),
    ],
)
def test_addresses_stand_in_a_text_or_a_list(given: object, expected: list[str]) -> None:
    assert parse_addresses(given) == expected


@pytest.mark.parametrize("given", ["hunter2", "json:/hunter2", "json:// hunter2", "json://one hunter2", ["json://one", "hunter2"], [7], 7])
def test_what_is_no_address_is_told_by_its_number_and_not_repeated(given: object) -> None:
    with pytest.raises(ValueError, match=r"address \d is not of the form service://") as caught:
        parse_addresses(given)
    assert "hunter2" not in str(caught.value)


def test_addresses_are_secrets_of_the_settings() -> None:
    settings = GivenSettings.read(notify="slack://hunter2/b/c", notify_on="failed, Stopped")
    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    assert [address.get_secret_value() for address in settings.notify] == ["slack://hunter2/b/c"]
    assert settings.notify_on == {Occasion.FAILED, Occasion.STOPPED}
    assert service_of("SLACK://hunter2") == "slack"


@pytest.mark.parametrize("given", ["sometimes", "failed,sometimes", ["finished", 3], None, 5])
def test_what_is_no_occasion_is_told(given: object) -> None:
    with pytest.raises(ValueError, match="write some of finished, failed, stopped"):
        parse_occasions(given)


@pytest.mark.parametrize(
    ("exit_code", "occasion"),
    [
        (0, Occasion.FINISHED),
        *((code, Occasion.FAILED) for code in (1, 2, 3)),
        *((code, Occasion.STOPPED) for code in (4, 5, 129, 130, 143)),
    ],
)
def test_every_exit_code_is_an_occasion(exit_code: int, occasion: Occasion) -> None:
    assert occasion_of(exit_code) is occasion


def test_a_notice_says_which_campaign_how_it_stands_why_and_what_to_do() -> None:
    view = seen(FIGURES, CampaignState.STOPPED, ended="The API refused the token (401). Check PASSENTRY_API_KEY.")
    notice = notice_of(view, Occasion.STOPPED, run="20260501T120000Z-abc123")
    assert notice.title == "offer: stopped with rows left"
    for part in (
        "Campaign offer has stopped before its end: 39 rows left. The API refused the token (401).",
        "1,000 rows: 900 delivered, 60 failed, 1 unknown, 39 not sent yet.",
        "    campaign resume offer\n",
        "    offer.results.failed.csv\n",
        "run 20260501T120000Z-abc123.",
    ):
        assert part in notice.text
    assert len(notice.text.splitlines()) < 25


@pytest.mark.parametrize(
    ("figures", "state", "last"),
    [
        ({Status.DELIVERED: 5}, CampaignState.FINISHED, "5 rows: 5 delivered. There is nothing left to do."),
        ({Status.FAILED: 1}, CampaignState.FINISHED, "1 row: 1 failed. 1 row needs someone. Next: campaign retry offer"),
        ({Status.UNKNOWN: 2}, CampaignState.FINISHED, "2 rows: 2 unknown. 2 rows need someone. Next: campaign verify offer"),
        (FIGURES, CampaignState.STOPPED, "61 rows need someone. Next: campaign resume offer"),
        (FIGURES, CampaignState.SENDING, "61 rows need someone. Next: campaign status offer --watch"),
        ({Status.INVALID: 3}, CampaignState.FINISHED, "3 rows need someone. Next: campaign retry offer.results.failed.csv"),
    ],
)
def test_one_line_is_enough(figures: dict[Status, int], state: CampaignState, last: str) -> None:
    line = in_a_line(seen(figures, state))
    assert line.startswith("Campaign offer ")
    assert line.endswith(last)
    assert "\n" not in line


@given(st.dictionaries(st.sampled_from(Status), st.integers(0, 10**9)), st.sampled_from(CampaignState), st.text(max_size=20))
def test_a_line_is_one_line_whatever_the_campaign_is(figures: dict[Status, int], state: CampaignState, name: str) -> None:
    view = seen(figures, state)
    view = replace(view, record=replace(view.record, spec=replace(view.record.spec, name=name)))
    assert in_a_line(view).isprintable()
    assert in_a_line(view).splitlines()[0] == in_a_line(view)
    assert in_brief(view).startswith("Campaign")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("The list has the columns Anna Smith and 0171 5550.", file="/lists/offer.csv"), "Nothing was sent."),
        (UsageError("It has: Anna Smith."), "Nothing was sent."),
        (SafeguardError("The column Anna Smith is too long."), "It broke off. What was sent is safe in the ledger."),
        (CampaignError("Anna Smith"), "It broke off."),
        (LedgerError("The ledger /x/c.db can't be written: the disk is full."), "The ledger /x/c.db can't be written: the disk is full."),
        (RuntimeError("Anna Smith"), "There is a fault in the program (RuntimeError)."),
    ],
)
def test_why_a_run_broke_off_is_told_without_what_a_list_holds(error: Exception, said: str) -> None:
    notice = notice_of_error(error, "offer", Occasion.FAILED, run="r1", log="/logs/offer.json")
    assert said in notice.text
    assert notice.text.startswith("Campaign offer: ")
    assert "The whole sentence is in /logs/offer.json." in notice.text
    assert "Anna" not in notice.text + notice.title
    assert "run r1." in notice.text


def test_what_notices_need_is_told_before_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [SecretStr("slack://hunter2/b/c")]
    check_notices(addresses)
    # As it is where the extra is not installed.
    monkeypatch.setitem(sys.modules, "apprise", None)
    check_notices([])
    with pytest.raises(UsageError, match=r"pip install 'campaign\[notify\]'"):
        check_notices(addresses)


def test_a_token_is_blotted_out_wherever_it_is() -> None:
    assert blotted("Bearer pe_live_1 and pe_live_1", "pe_live_1") == "Bearer *** and ***"
    assert blotted("as it is", "") == "as it is"
