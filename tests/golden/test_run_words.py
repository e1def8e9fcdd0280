"""What is said before a run, while it goes on, and to people who are not there."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from campaign.app.notify.notice import notice_of, notice_of_error
from campaign.cli.logs.sinks import describe_event
from campaign.cli.screen.output import print_checked
from campaign.cli.screen.stats_table import lines_of_rates
from campaign.cli.unknown_env_vars import unknown_env_vars
from campaign.domain.model import CampaignState
from campaign.domain.notices import Occasion, occasion_of
from campaign.domain.schedule import Schedule, parse_window
from campaign.domain.status import Status
from campaign.reporter.comparison import Rates
from tests.golden.files import Golden
from tests.unit.test_ask import BERLIN, asked, plan
from tests.unit.test_notifications import ERRORS, FIGURES, seen
from tests.unit.test_progress import tally
from tests.unit.test_stats_table import rate
from tests.unit.test_status_text import checked_results


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_plans(golden: Golden) -> None:
    end = datetime(2026, 12, 24, 17, 0, tzinfo=UTC)
    schedules = [
        Schedule(home=BERLIN, window=parse_window("09:00-12:00")),
        Schedule(home=BERLIN, window=parse_window("03:00-04:00")),
        Schedule(home=BERLIN, start=datetime(2026, 12, 1, 17, 0, tzinfo=UTC), end=end),
        Schedule(home=ZoneInfo("Asia/Tokyo")),
    ]
    questions = [
        asked(12_345),
        asked(1),
        asked(1_000_000),
        asked(5, rate_per_second=None),
        asked(5, 100),
        *(replace(asked(100_000), schedule=schedule) for schedule in schedules),
        replace(asked(100_000), schedule=schedules[0], zones=("", "Asia/Tokyo")),
        replace(asked(1), to="my/pass"),
        asked(37, left_out=4),
        asked(37, left_out=1),
        replace(asked(12_345), by_batches=True),
    ]
    golden("\n".join(map(plan, questions)))


def test_happenings(golden: Golden) -> None:
    told = [
        describe_event("backing_off", seconds=8.0, reason="connect"),
        describe_event("backing_off", seconds=1.0, reason="http_503"),
        describe_event("throttled", retry_after_seconds=3.0),
        describe_event("others_use_the_token", per_second=3.0, left_per_second=6.5),
        describe_event("sending_without_baselines", seconds=30.0, reason="reads are throttled"),
        describe_event("texts_are_not_shown_as_sent", by="the API"),
        describe_event("worker_lost"),
        describe_event("ledger_not_seen"),
        describe_event("waiting_for_passes", why="1 row waits for its pass."),
        describe_event("waiting_for_its_time", until="2127-01-02T08:00+00:00"),
    ]
    run = tally(pending=1)
    told.append(run.waiting(103.0))
    run.held(8.0, "it is held", 103.0)
    told += [run.waiting(104.0), run.waiting(115.0)]
    told.append(tally(unknown=1).waiting(103.0))
    golden("\n".join(told))


def test_notices(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("offer.results.csv", "offer.results.failed.csv"):
        (tmp_path / name).touch()
    ends = [
        (seen(FIGURES, CampaignState.STOPPED, ended="interrupted"), Occasion.STOPPED),
        (seen({Status.DELIVERED: 5}, CampaignState.FINISHED), Occasion.FINISHED),
        (seen({Status.INVALID: 3}, CampaignState.FINISHED), Occasion.FAILED),
    ]
    notices = [notice_of(view, occasion, run="r1") for view, occasion in ends]
    notices += [
        notice_of_error(error, "offer", occasion_of(getattr(error, "exit_code", 1)), run="r1", log=log)
        for error, log in zip(ERRORS, ("", *["/logs/offer.json"] * len(ERRORS)), strict=False)
    ]
    told = "\n\n---\n\n".join(f"{notice.title}\n\n{notice.text}" for notice in notices)
    golden(told.replace(socket.gethostname(), "HOST"))


def test_misnamed_settings(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CAMPAIGN_RAET", "CAMPAIGN_SOMETHING_ELSE"):
        monkeypatch.setenv(name, "5")
    (tmp_path / ".env").write_text("CAMPAIGN_JSN=1\n", encoding="utf-8")
    golden("\n".join(sentence for sentence in unknown_env_vars() if re.search("RAET|JSN|ELSE", sentence)))


def test_rates(golden: Golden) -> None:
    found = Rates(campaigns=(rate("promo", delivered=1500, failed=500), rate("spring", skipped=3)), unsent=1)
    golden("\n".join([*lines_of_rates(found, bars=True), "", *lines_of_rates(Rates(campaigns=(), unsent=0), bars=True)]))


def test_check_of_results(golden: Golden, capsys: pytest.CaptureFixture[str]) -> None:
    print_checked(checked_results(), as_json=False)
    golden(capsys.readouterr().out)
