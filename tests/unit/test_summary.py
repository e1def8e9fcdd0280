"""The summary in words: it adds up, it names the next command, and it stays within its width."""

import re
import shlex
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.app.summary import in_a_line, in_words
from campaign.domain.model import CampaignState, Counts, Invalid, Skip
from campaign.domain.status import Status
from campaign.domain.text.lines import WIDTH
from campaign.domain.text.reasons import NO_REASON, advice, ended_in_words, reason_in_words
from campaign.insights import CampaignView, rows_left_code
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState
from campaign.sender.stop import StopReason

REASONS = {
    (Status.DELIVERED, ""): 451,
    (Status.NOT_DELIVERED, "notDelivered"): 12,
    (Status.FAILED, "http_404"): 2,
    (Status.FAILED, "timeout"): 1,
    (Status.UNKNOWN, "lost"): 2,
    (Status.SKIPPED, "duplicate"): 20,
    (Status.INVALID, "missing_field"): 11,
    (Status.INVALID, "no_id"): 1,
}


def counted(reasons: dict[tuple[Status, str], int]) -> Counts:
    by_status = dict.fromkeys(Status, 0)
    for (status, _), count in reasons.items():
        by_status[status] += count
    return Counts(by_status=by_status, by_reason=reasons)


def view(
    counts: Counts,
    state: CampaignState = CampaignState.FINISHED,
    *,
    name: str = "promo",
    results: str = "promo.results.csv",
    eta_seconds: float | None = None,
    ended: str = "",
    ledger: str = "",
) -> CampaignView:
    spec = CampaignSpec(
        name=name, list_name="promo.csv", list_sha256="", message_sha256="", columns=("id",), id_column="id", settings={"results": results}
    )
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
    return CampaignView(record=record, state=state, counts=counts, results=results, eta_seconds=eta_seconds, ledger=ledger)


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results that are spoken of are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("promo.results.csv", "promo.results.failed.csv"):
        (tmp_path / name).touch()


def commands(text: str) -> list[str]:
    """The commands that it names, each on a line of its own."""
    return re.findall(r"^    (campaign .*)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("reasons", "corrects"),
    [
        ({(Status.FAILED, "http_404"): 1}, True),
        ({(Status.FAILED, "http_422"): 2, (Status.FAILED, "connect"): 1}, True),
        ({(Status.INVALID, "no_id"): 1, (Status.FAILED, "connect"): 1}, True),
        ({(Status.FAILED, "connect"): 1}, False),
    ],
)
def test_rows_that_are_wrong_by_themselves_are_corrected_in_their_file(reasons: dict[tuple[Status, str], int], *, corrects: bool) -> None:
    named = commands(in_words(view(counted({**reasons, (Status.NOT_DELIVERED, ""): 1}))))
    assert ("campaign retry promo.results.failed.csv" in named) is corrects
    assert ("campaign retry promo" in named) is ((Status.FAILED, "connect") in reasons)
    assert named[-1] == "campaign retry promo --status not_delivered"


def test_a_file_that_is_not_there_is_not_a_place_to_correct_in(tmp_path: Path) -> None:
    reasons = {(Status.INVALID, "no_id"): 2, (Status.PENDING, ""): 5}
    assert "failed.csv" not in in_words(view(counted(reasons), CampaignState.STAGED))
    assert "failed.csv" in in_words(view(counted(reasons), CampaignState.PAUSED))
    (tmp_path / "promo.results.failed.csv").unlink()
    assert "failed.csv" not in in_words(view(counted(reasons), CampaignState.PAUSED))


def test_the_failed_rows_file_is_named_also_by_a_command_that_wrote_no_results() -> None:
    reasons = {(Status.INVALID, "no_id"): 1, (Status.DELIVERED, ""): 1}
    without = replace(view(counted(reasons)), results="")
    assert commands(in_words(without)) == ["campaign retry promo.results.failed.csv"]
    assert "that file" not in in_words(without)
    in_memory = view(counted(reasons), results="")
    assert commands(in_words(in_memory)) == []


def test_rows_are_corrected_in_a_workbook_itself(tmp_path: Path) -> None:
    reasons = {(Status.INVALID, "no_id"): 1, (Status.DELIVERED, ""): 1}
    for name in ("promo.xlsx", "promo.failed.csv"):
        (tmp_path / name).touch()
    seen = in_words(view(counted(reasons), results="promo.xlsx"))
    assert commands(seen) == ["campaign retry promo.xlsx"]
    assert "corrected in promo.xlsx" in seen
    (tmp_path / "promo.xlsx").unlink()
    assert commands(in_words(view(counted(reasons), results="promo.xlsx"))) == ["campaign report promo --output FILE"]


def test_when_all_went_well_there_is_nothing_to_do() -> None:
    assert commands(in_words(view(counted({(Status.DELIVERED, ""): 1})))) == []


def test_verify_is_named_only_where_a_reading_may_tell() -> None:
    in_vain = {(Status.UNKNOWN, "other_message"): 2, (Status.UNKNOWN, "same_text_before"): 1, (Status.UNKNOWN, "no_latest_message"): 1}
    twice = "campaign retry promo --status unknown"
    assert commands(in_words(view(counted(in_vain)))) == [twice]
    assert "campaign" not in in_a_line(view(counted(in_vain))).removeprefix("Campaign promo")
    assert commands(in_words(view(counted(in_vain), CampaignState.CANCELLED))) == []
    some = in_words(view(counted({**in_vain, (Status.UNKNOWN, "timeout"): 3})))
    assert "the 3 unknown rows" in some
    assert commands(some) == ["campaign verify promo", twice]
    interrupted = replace(counted(in_vain), unverified=4)
    assert commands(in_words(view(interrupted, CampaignState.STOPPED)))[0] == "campaign verify promo"


STATES = [
    (CampaignState.STAGED, ["send"]),
    (CampaignState.SENDING, ["status", "pause"]),
    (CampaignState.WAITING, ["status", "pause"]),
    (CampaignState.PAUSED, ["resume", "verify", "retry", "retry", "retry"]),
    (CampaignState.STOPPED, ["resume", "verify", "retry", "retry", "retry"]),
    (CampaignState.CANCELLED, ["verify"]),
]


def in_state(state: CampaignState) -> CampaignView:
    reasons = {(Status.PENDING, ""): 1200}
    if state is not CampaignState.STAGED:
        reasons |= {(Status.FAILED, "dns"): 1, (Status.UNKNOWN, "timeout"): 1, (Status.INVALID, "no_id"): 1}
    return view(counted(reasons), state, eta_seconds=133.0, ended="interrupted")


@pytest.mark.parametrize(("state", "expected"), STATES)
def test_every_state_says_what_can_be_done(state: CampaignState, expected: list[str]) -> None:
    text = in_words(in_state(state))
    assert [command.split()[1] for command in commands(text)] == expected
    assert ("promo.results.csv" in text) == (state is not CampaignState.STAGED)
    assert ("promo.results.failed.csv" in text) == (state in {CampaignState.PAUSED, CampaignState.STOPPED, CampaignState.CANCELLED})


def test_one_of_a_kind_is_said_in_the_singular() -> None:
    reasons: dict[tuple[Status, str], int] = {(status, ""): 1 for status in Status if status is not Status.SENDING}
    assert not re.search(r"\b1 ([a-z ]+ )?rows", in_words(view(counted(reasons), CampaignState.STOPPED)))


def test_a_command_can_be_copied_whatever_the_name() -> None:
    for name in ("spring promo", "it's", "-x", "a" * 150, "$(reboot)"):
        for ledger in ("", "my ledger.db"):
            text = in_words(view(counted(REASONS), name=name, ledger=ledger))
            found = list(map(shlex.split, commands(text)))
            given = ["--ledger", ledger] if ledger else []
            after = [["verify"], ["retry", "--status", "unknown"], ["retry"], ["retry", "--status", "not_delivered"]]
            assert found.pop(-2) == ["campaign", "retry", "promo.results.failed.csv", *given]
            if name == "-x":
                assert found == [["campaign", *words, *given, "--", name] for words in after]
            else:
                assert found == [["campaign", verb, name, *options, *given] for verb, *options in after]


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ("", 5),
        ("limit", 5),
        ("interrupted", 130),
        ("terminated", 143),
        ("hung_up", 129),
        ("fault", 1),
        ("paused", 5),
        ("A safeguard's own sentence.", 4),
    ],
)
def test_why_a_campaign_stopped_decides_the_exit_code(ended: str, code: int) -> None:
    assert rows_left_code(ended) == code


@pytest.mark.parametrize(
    ("status", "reason"), [("failed", "http_404"), ("not_delivered", ""), ("invalid", "missing_field"), ("unknown", "same_text_before")]
)
def test_nobody_is_advised_to_send_rows_of_a_cancelled_campaign_again(status: str, reason: str) -> None:
    assert "cancelled" not in advice(status, reason)
    assert advice(status, reason, cancelled=True).startswith("Nothing to do: the campaign was cancelled")
    assert advice("unknown", "cut_after", cancelled=True) == advice("unknown", "cut_after")


def test_every_end_that_a_run_can_have_has_words() -> None:
    assert all(ended_in_words(ended) != ended.value for ended in StopReason)


def test_an_unknown_reason_is_shown_but_never_run_by_a_terminal() -> None:
    text = in_words(view(counted({(Status.NOT_DELIVERED, "queued\x1b[2J\nfor later"): 3})))
    assert "  3  queued\ufffd[2J for later" in text
    assert "\x1b" not in text


def test_many_reasons_are_added_up() -> None:
    text = in_words(view(counted({(Status.NOT_DELIVERED, f"status{number:02}"): 100 - number for number in range(20)})))
    assert "    100  status00\n     99  status01\n" in text
    assert re.search(r"     93  status07\n  1,038  .* 12 .*\n", text)
    assert "status08" not in text


@pytest.mark.parametrize("reason", [*Skip, *Invalid])
def test_every_reason_of_the_model_has_words(reason: str) -> None:
    assert reason_in_words(reason) != reason


@pytest.mark.parametrize("reason", ["http_414", "http_418", "http_503", "http_302"])
def test_an_answer_that_is_not_expected_is_told_by_its_number(reason: str) -> None:
    assert reason_in_words(reason).endswith(f"(HTTP {reason.removeprefix('http_')})")


@pytest.mark.parametrize(("reason", "words"), [("http_", "http_"), ("somethingNew", "somethingNew"), ("", NO_REASON), (" \n", NO_REASON)])
def test_what_is_no_reason_is_shown_as_it_is(reason: str, words: str) -> None:
    assert reason_in_words(reason) == words


def columns_of(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def number(text: str) -> int:
    return int(text.replace(",", ""))


reason_texts = st.one_of(
    st.sampled_from(["", "notDelivered", "http_404", "http_500", "timeout", "dns", *Skip, *Invalid]),
    st.text(st.characters(codec="utf-8"), max_size=150),
)
all_counts = st.dictionaries(st.tuples(st.sampled_from(Status), reason_texts), st.integers(1, 10**7), max_size=25)


@pytest.mark.parametrize("character", ["x", "全", "😀"])
def test_long_names_and_reasons_keep_the_width_in_every_script(character: str) -> None:
    text = in_words(view(counted({(Status.NOT_DELIVERED, character * 150): 3}), name=character * 150, results=""))
    lines = [line for line in text.split("\n") if not line.startswith("    campaign ")]
    assert max(map(columns_of, lines)) in range(WIDTH - 3, WIDTH + 1)
    assert "\n".join(lines).count(character) == 300


@given(all_counts, st.sampled_from(CampaignState), st.text(st.characters(codec="utf-8"), min_size=1, max_size=80), st.integers(0, 3))
@settings(deadline=None)
def test_it_always_adds_up_and_keeps_its_width(
    reasons: dict[tuple[Status, str], int], state: CampaignState, name: str, without_reason: int
) -> None:
    counts = counted(reasons)
    if without_reason:
        # A ledger need not know a reason for every row.
        counts.by_status[Status.FAILED] += without_reason
    seen = view(counts, state, name=name, results="")
    text = in_words(seen)
    for line in text.split("\n"):
        assert columns_of(line) <= WIDTH or line.startswith("    campaign ")
        assert line.isprintable()
    overview, *paragraphs = text.split("\n\n")
    if counts.rows:
        found = re.search(r"(?:^| )([\d,]+) rows?: (.*)\.$", overview.replace("\n", " "))
        assert found is not None
        parts = [part.split(" ", 1) for part in found[2].split(", ")]
        assert {label for _, label in parts} <= {seen.label_of(status) for status in Status}
        assert number(found[1]) == sum(number(count) for count, _ in parts) == counts.rows
    for paragraph in paragraphs:
        head = re.match(r"[A-Z][a-z ]+ \(([\d,]+)\):", paragraph)
        of_reasons = re.findall(r"^ {2,}([\d,]+)  \S", paragraph, re.MULTILINE)
        if head and of_reasons:
            assert sum(map(number, of_reasons)) == number(head[1])
