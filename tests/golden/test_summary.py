"""What is said of a campaign: where it stands, why, and what can be done."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.app.summary import in_a_line, in_words
from campaign.cli.screen.output import line_of
from campaign.domain.batches import InBatches
from campaign.domain.model import CampaignState
from campaign.domain.status import BY_OUTCOME, Status
from campaign.domain.text import reasons
from campaign.domain.text.reasons import ended_in_words, reason_in_words
from campaign.insights import CampaignView
from campaign.ledger.port import DesiredState
from tests.golden.files import Golden
from tests.unit.test_summary import REASONS, STATES, counted, in_state, view


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results that are spoken of are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("promo.results.csv", "promo.results.failed.csv"):
        (tmp_path / name).touch()


def batches_left() -> Iterator[CampaignView]:
    """Rows in batches, with and without a process that works on them; of a campaign that stopped, and of one that was cancelled."""
    waiting = InBatches(batches=3, rows=1500, held=1500, send_themselves_at=1_796_000_000.0)
    rows = counted({(Status.SENDING, ""): 1500})
    yield replace(view(rows, CampaignState.SENDING), in_batches=waiting, is_worked_on=True)
    for found in (waiting, replace(waiting, held=500), replace(waiting, held=0)):
        yield replace(view(rows, CampaignState.STOPPED, ended="lost"), in_batches=found)
    one = InBatches(batches=1, rows=1, held=1)
    yield replace(view(counted({(Status.SENDING, ""): 1}), CampaignState.STOPPED, ended="lost"), in_batches=one)
    for found in (waiting, replace(waiting, held=0)):
        yield replace(view(rows, CampaignState.CANCELLED), in_batches=found)


def test_summary(golden: Golden) -> None:
    many = {(Status.NOT_DELIVERED, f"status{number:02}"): 100 - number for number in range(20)}
    one_of_each: dict[tuple[Status, str], int] = {(status, ""): 1 for status in Status if status is not Status.SENDING}
    ready = view(counted({(Status.PENDING, ""): 3}), CampaignState.STAGED)
    half_staged = replace(ready, record=replace(ready.record, desired_state=DesiredState.STAGING))
    seen: list[CampaignView] = [
        view(counted(REASONS)),
        view(counted({(Status.DELIVERED, ""): 1}), name="spring 25"),
        view(counted({})),
        view(counted({(Status.FAILED, "http_404"): 1}), results="elsewhere.csv"),
        view(counted({(Status.INVALID, "no_id"): 2}), results="elsewhere.csv"),
        view(counted({(Status.INVALID, "no_id"): 2, (Status.PENDING, ""): 5}), CampaignState.STAGED),
        view(counted({(Status.INVALID, "no_id"): 2}), results=""),
        view(counted(one_of_each), CampaignState.STOPPED),
        view(counted({(Status.UNKNOWN, "other_message"): 2})),
        view(counted({(Status.PENDING, ""): 30, (Status.PENDING, "http_401"): 1}), CampaignState.STOPPED),
        view(counted(many)),
        replace(
            view(replace(counted({(Status.DELIVERED, ""): 8, (Status.UNKNOWN, "timeout"): 2}), unverified=2), CampaignState.SENDING),
            rate_per_second=1.5,
        ),
        view(counted({(Status.PENDING, ""): 30, (Status.SENDING, ""): 4}), CampaignState.STOPPED),
        replace(view(counted({(Status.PENDING, ""): 30}), CampaignState.STOPPED, ended="limit"), go_on="campaign run jobs/spring.toml"),
        *(in_state(state) for state, _ in STATES),
        *(replace(half_staged, staging=staging) for staging in (False, True)),
        *batches_left(),
    ]
    golden("\n\n---\n\n".join(f"{line_of(one)}\n{in_a_line(one)}\n\n{in_words(one)}" for one in seen))


def test_reasons(golden: Golden) -> None:
    known = (*reasons._WORDS, "http_302", "http_418", "http_503", "somethingNew", "")
    lines = [
        *(f"{status}: {status.info.meaning}" for status in BY_OUTCOME if status.info.meaning),
        "",
        *(f"{reason}: {reason_in_words(reason)}" for reason in known),
        "",
        *(f"{ended}: {ended_in_words(ended)}" for ended in reasons._ENDED),
    ]
    golden("\n".join(lines))
