"""Notices: whom they may be for, when, and what they say."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from campaign.app.notify.notice import check_notices, notice_of, notice_of_error, without_secret
from campaign.app.summary import in_a_line, in_brief
from campaign.domain.errors import CampaignError, InputError, LedgerError, SafeguardError, UsageError
from campaign.domain.model import CampaignState, Counts
from campaign.domain.notices import Occasion, occasion_of, parse_addresses, parse_occasions, service_of
from campaign.domain.status import Status
from campaign.insights import CampaignView
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState
from campaign.settings import IsolatedSettings
from tests.errors import raises

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
        id=1,
        spec=spec,
        content_sha256="",
        rows=counts.rows,
        desired_state=DesiredState.GO,
        created_at=1,
        started_at=1,
        finished_at=0,
        ended=ended,
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
    with pytest.raises(ValueError, match=r"\d") as caught:
        parse_addresses(given)
    assert "hunter2" not in str(caught.value)


def test_addresses_are_secrets_of_the_settings() -> None:
    settings = IsolatedSettings.read(notify="slack://hunter2/b/c", notify_on="failed, Stopped")
    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    assert [address.get_secret_value() for address in settings.notify] == ["slack://hunter2/b/c"]
    assert settings.notify_on == {Occasion.FAILED, Occasion.STOPPED}
    assert service_of("SLACK://hunter2") == "slack"


@pytest.mark.parametrize("given", ["sometimes", "failed,sometimes", ["finished", 3], None, 5])
def test_what_is_no_occasion_is_told(given: object) -> None:
    with pytest.raises(ValueError, match=", ".join(Occasion)):
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
    view = seen(FIGURES, CampaignState.STOPPED, ended="Why it stopped.")
    notice = notice_of(view, Occasion.STOPPED, run="20260501T120000Z-abc123")
    assert notice.title.startswith("offer: ")
    for part in (
        "Why it stopped.",
        "39",
        "900",
        "    campaign resume offer\n",
        "    offer.results.failed.csv\n",
        "run 20260501T120000Z-abc123.",
    ):
        assert part in notice.text
    assert len(notice.text.splitlines()) < 25


@pytest.mark.parametrize(
    ("figures", "state", "last"),
    [
        ({Status.FAILED: 1}, CampaignState.FINISHED, "campaign retry offer"),
        ({Status.UNKNOWN: 2}, CampaignState.FINISHED, "campaign verify offer"),
        (FIGURES, CampaignState.STOPPED, "campaign resume offer"),
        (FIGURES, CampaignState.SENDING, "campaign status offer --watch"),
        ({Status.INVALID: 3}, CampaignState.FINISHED, "campaign retry offer.results.failed.csv"),
    ],
)
def test_a_line_ends_with_the_next_command(figures: dict[Status, int], state: CampaignState, last: str) -> None:
    assert in_a_line(seen(figures, state)).endswith(last)


@given(st.dictionaries(st.sampled_from(Status), st.integers(0, 10**9)), st.sampled_from(CampaignState), st.text(max_size=20))
def test_a_line_is_one_line_whatever_the_campaign_is(figures: dict[Status, int], state: CampaignState, name: str) -> None:
    view = seen(figures, state)
    view = replace(view, record=replace(view.record, spec=replace(view.record.spec, name=name)))
    assert in_a_line(view).isprintable()
    assert in_a_line(view).splitlines()[0] == in_a_line(view)
    assert in_brief(view).startswith("Campaign")


ERRORS = [
    InputError("The list has the columns Anna Smith and 0171 5550.", file="/lists/offer.csv"),
    UsageError("It has: Anna Smith."),
    SafeguardError("The column Anna Smith is too long."),
    CampaignError("Anna Smith"),
    LedgerError("The ledger /x/c.db is full."),
    RuntimeError("Anna Smith"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_why_a_run_broke_off_is_told_without_what_a_list_holds(error: Exception) -> None:
    notice = notice_of_error(error, "offer", Occasion.FAILED, run="r1", log="/logs/offer.json")
    assert "Anna" not in notice.text + notice.title
    for part in ("offer", "/logs/offer.json", "run r1."):
        assert part in notice.text
    if isinstance(error, LedgerError | RuntimeError):
        assert (str(error) if isinstance(error, LedgerError) else "RuntimeError") in notice.text


def test_what_notices_need_is_told_before_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [SecretStr("slack://hunter2/b/c")]
    check_notices(addresses)
    # As it is where the extra is not installed.
    monkeypatch.setitem(sys.modules, "apprise", None)
    check_notices([])
    with raises(UsageError, "extra_missing", extra="notify"):
        check_notices(addresses)


def test_a_token_is_blotted_out_wherever_it_is() -> None:
    assert without_secret("Bearer pe_live_1 and pe_live_1", "pe_live_1") == "Bearer *** and ***"
    assert without_secret("as it is", "") == "as it is"
