"""The summary in words: it adds up, it names the next command, and it stays within its width."""

import re
import shlex
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.model import CampaignState, Counts, Invalid, Skip, Status
from campaign.insights import CampaignView, rows_left_code
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control
from campaign.reporter.reasons import NO_REASON, ended_in_words, reason_in_words
from campaign.reporter.summary import WIDTH, in_words
from campaign.sender.ending import Ended

LABELS = ("delivered", "accepted", "not delivered", "failed", "unknown", "invalid", "skipped", "being sent", "not sent yet")

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
        id=1, spec=spec, content_sha256="", rows=counts.rows, control=Control.GO, created_at=1, started_at=1, finished_at=0, ended=ended
    )
    return CampaignView(record=record, state=state, counts=counts, results=results, eta_seconds=eta_seconds, ledger=ledger)


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results that are spoken of are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("promo.results.csv", "promo.results.failed.csv"):
        (tmp_path / name).touch()


def test_a_finished_campaign_in_full() -> None:
    assert in_words(view(counted(REASONS))) == (
        """\
Campaign promo is finished.
500 rows: 451 delivered, 12 not delivered, 3 failed, 2 unknown, 12 invalid, 20 skipped.

Not delivered (12): the message was taken, but no phone showed it.
  12  the pass is not in a wallet

Failed (3): the message was refused, or could not be handed over.
  2  PassEntry knows no such pass (HTTP 404)
  1  PassEntry did not answer in time

Unknown (2): the message may have arrived, so it is not sent again by itself.
  2  the program was stopped before the answer was recorded

Invalid (12): the rows can't be sent as they stand.
  11  something that the message mentions is missing in the row
   1  the row has no pass id

Skipped (20): left out on purpose.
  20  the same pass stands further up in the list

The results are in:
    promo.results.csv
The rows that need someone are in:
    promo.results.failed.csv
To find out what became of the 2 unknown rows (reads their passes, sends nothing):
    campaign verify promo
If that can't tell either, and twice is better than not at all:
    campaign retry promo --status unknown
To send the 3 failed rows again, once the cause is mended:
    campaign retry promo
To send the 12 not delivered rows again, once the passes are in wallets:
    campaign retry promo --status not_delivered
To send the 15 failed and invalid rows, once mended in that file (with the --template or --message
again, if columns change):
    campaign retry promo.results.failed.csv"""
    )


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ({(Status.FAILED, "http_404"): 1}, "To send the failed row, once mended in that file"),
        ({(Status.FAILED, "http_422"): 2, (Status.FAILED, "connect"): 1}, "To send the 3 failed rows, once mended in that file"),
        ({(Status.INVALID, "no_id"): 1, (Status.FAILED, "connect"): 1}, "To send the invalid row, once mended in that file"),
        ({(Status.FAILED, "connect"): 1}, ""),
    ],
)
def test_rows_that_are_wrong_by_themselves_are_mended_in_their_file(reasons: dict[tuple[Status, str], int], said: str) -> None:
    text = in_words(view(counted(reasons)))
    assert said in text
    assert ("    campaign retry promo.results.failed.csv" in text.splitlines()) == bool(said)


def test_a_file_that_is_not_there_is_not_a_place_to_mend_in(tmp_path: Path) -> None:
    reasons = {(Status.INVALID, "no_id"): 2, (Status.PENDING, ""): 5}
    ready = " ".join(in_words(view(counted(reasons), CampaignState.STAGED)).split())
    assert "To mend the 2 invalid rows before, correct the list and run it again: nothing was sent yet." in ready
    assert "failed.csv" not in ready
    (tmp_path / "promo.results.failed.csv").unlink()
    gone = " ".join(in_words(view(counted(reasons), CampaignState.PAUSED)).split())
    assert "The 2 invalid rows can be mended in the failed-rows file, which is written with the results." in gone
    assert "failed.csv" not in gone


def test_when_all_went_well_there_is_nothing_to_do() -> None:
    assert in_words(view(counted({(Status.DELIVERED, ""): 1}), name="spring 25")) == (
        "Campaign spring 25 is finished.\n1 row: 1 delivered.\n\nThe results are in:\n    promo.results.csv\nThere is nothing left to do."
    )


@pytest.mark.parametrize(
    ("state", "said", "commands"),
    [
        (CampaignState.STAGED, "is ready; nothing has been sent yet.", ["resume"]),
        (CampaignState.SENDING, "is being sent: 1,200 rows left, about 2 min 13 s to go.", ["status", "pause"]),
        (CampaignState.WAITING, "is waiting and goes on by itself: 1,200 rows left.", ["status", "pause"]),
        (CampaignState.PAUSED, "is paused: 1,200 rows left.", ["resume", "verify", "retry", "retry"]),
        (
            CampaignState.STOPPED,
            "has stopped before its end: 1,200 rows left. It was told to stop, with Ctrl-C.",
            ["resume", "verify", "retry", "retry"],
        ),
        (CampaignState.CANCELLED, "was cancelled.", ["verify"]),
    ],
)
def test_every_state_says_where_it_stands_and_what_can_be_done(state: CampaignState, said: str, commands: list[str]) -> None:
    reasons = {(Status.PENDING, ""): 1200}
    if state is not CampaignState.STAGED:
        reasons |= {(Status.FAILED, "dns"): 1, (Status.UNKNOWN, "timeout"): 1, (Status.INVALID, "no_id"): 1}
    text = in_words(view(counted(reasons), state, eta_seconds=133.0, ended="interrupted"))
    assert text.startswith(f"Campaign promo {said}\n")
    assert re.findall(r"^    campaign (\w+) promo(?: --\w+.*)?$", text, re.MULTILINE) == commands
    assert ("1,200 rows left:" in text) == (state in {CampaignState.PAUSED, CampaignState.STOPPED})
    assert ("promo.results.csv" in text) == (state is not CampaignState.STAGED)
    assert ("promo.results.failed.csv" in text) == (state in {CampaignState.PAUSED, CampaignState.STOPPED, CampaignState.CANCELLED})


def test_one_of_a_kind_is_said_in_the_singular() -> None:
    reasons: dict[tuple[Status, str], int] = {(status, ""): 1 for status in Status if status is not Status.SENDING}
    text = in_words(view(counted(reasons), CampaignState.STOPPED))
    assert "1 row left." in text
    assert "To send the failed row again" in text
    assert "what became of the unknown row (reads its pass, sends nothing)" in text
    assert "To send the invalid row, once mended" in text
    assert not re.search(r"\b1 (not delivered |failed |unknown |invalid )?rows", text)


def test_rows_waiting_for_another_try_say_why() -> None:
    reasons = {(Status.PENDING, ""): 30, (Status.PENDING, "http_401"): 1}
    text = in_words(view(counted(reasons), CampaignState.STOPPED))
    assert "Not sent yet (31): waiting to be sent.\n  30  not tried yet\n   1  PassEntry does not accept the token (HTTP 401)" in text
    assert "(30)" not in in_words(view(counted({(Status.PENDING, ""): 30}), CampaignState.STOPPED))


def test_a_command_can_be_copied_whatever_the_name() -> None:
    for name in ("spring promo", "it's", "-x", "a" * 150, "$(reboot)"):
        for ledger in ("", "my ledger.db"):
            text = in_words(view(counted(REASONS), name=name, ledger=ledger))
            commands = [shlex.split(line) for line in re.findall(r"^    (campaign .*)$", text, re.MULTILINE)]
            given = ["--ledger", ledger] if ledger else []
            after = [["verify"], ["retry", "--status", "unknown"], ["retry"], ["retry", "--status", "not_delivered"]]
            assert commands.pop() == ["campaign", "retry", "promo.results.failed.csv", *given]
            if name == "-x":
                assert commands == [["campaign", *words, *given, "--", name] for words in after]
            else:
                assert commands == [["campaign", verb, name, *options, *given] for verb, *options in after]


@pytest.mark.parametrize(
    ("ended", "said", "code"),
    [
        ("", "Its process was killed, or the machine went down.", 5),
        ("limit", "The number of sends that was asked for was reached.", 5),
        ("interrupted", "It was told to stop, with Ctrl-C.", 130),
        ("terminated", "It was told to stop (SIGTERM).", 143),
        ("hung_up", "Its terminal was closed.", 129),
        ("fault", "A fault of the program broke it off.", 1),
        ("paused", "It was paused.", 5),
        ("The API refused the token (401). Check PASSENTRY_API_KEY.", "The API refused the token (401). Check PASSENTRY_API_KEY.", 4),
    ],
)
def test_a_campaign_that_stopped_says_why(ended: str, said: str, code: int) -> None:
    text = in_words(view(counted({(Status.PENDING, ""): 3}), CampaignState.STOPPED, ended=ended))
    assert text.replace("\n", " ").startswith(f"Campaign promo has stopped before its end: 3 rows left. {said} 3 rows:")
    assert rows_left_code(ended) == code


def test_every_end_that_a_run_can_have_has_words() -> None:
    assert all(ended_in_words(ended) != ended.value for ended in Ended)


def test_an_unknown_reason_is_shown_but_never_run_by_a_terminal() -> None:
    text = in_words(view(counted({(Status.NOT_DELIVERED, "queued\x1b[2J\nfor later"): 3})))
    assert "  3  queued [2J for later" in text
    assert "\x1b" not in text


def test_many_reasons_are_added_up() -> None:
    text = in_words(view(counted({(Status.NOT_DELIVERED, f"status{number:02}"): 100 - number for number in range(20)})))
    assert "    100  status00\n     99  status01\n" in text
    assert "     93  status07\n  1,038  other reasons, 12 of them\n" in text
    assert "status08" not in text


@pytest.mark.parametrize("reason", [*Skip, *Invalid])
def test_every_reason_of_the_model_has_words(reason: str) -> None:
    assert reason_in_words(reason) != reason


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("http_418", "the answer does not say what became of the message (HTTP 418)"),
        ("http_414", "PassEntry refused the request (HTTP 414)"),
        ("http_503", "PassEntry had an error of its own (HTTP 503)"),
        ("http_302", "the answer does not say what became of the message (HTTP 302)"),
        ("http_", "http_"),
        ("somethingNew", "somethingNew"),
        ("", NO_REASON),
        ("\x1b", NO_REASON),
    ],
)
def test_reasons_in_words(reason: str, words: str) -> None:
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
    text = in_words(view(counts, state, name=name, results=""))
    for line in text.split("\n"):
        assert columns_of(line) <= WIDTH or line.startswith("    campaign ")
        assert line.isprintable()
    overview, *paragraphs = text.split("\n\n")
    if counts.rows:
        found = re.search(r"(?:^| )([\d,]+) rows?: (.*)\.$", overview.replace("\n", " "))
        assert found is not None
        parts = [part.split(" ", 1) for part in found[2].split(", ")]
        assert {label for _, label in parts} <= set(LABELS)
        assert number(found[1]) == sum(number(count) for count, _ in parts) == counts.rows
    else:
        assert overview.endswith("The list has no rows.")
    for paragraph in paragraphs:
        head = re.match(r"[A-Z][a-z ]+ \(([\d,]+)\):", paragraph)
        of_reasons = re.findall(r"^ {2,}([\d,]+)  \S", paragraph, re.MULTILINE)
        if head and of_reasons:
            assert sum(map(number, of_reasons)) == number(head[1])
