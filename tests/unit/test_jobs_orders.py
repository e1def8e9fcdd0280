"""What a job comes to at a moment: its list, its names, its paths, and which settings win."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign.app.jobs.job import read_job
from campaign.app.jobs.resolve import Order, RetryOrder, SendOrder, order_of, settings_of
from campaign.domain.errors import InputError, UsageError
from campaign.domain.failure_guard import Halt
from campaign.domain.retry_selection import Selection
from campaign.domain.status import Status
from campaign.settings import Settings
from tests.errors import raises
from tests.unit.jobs_given import write_job

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
"""A Sunday's last half hour, in London; in Berlin, Monday has come."""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CAMPAIGN_", "PASSENTRY_")):
            monkeypatch.delenv(name)


def put(path: Path, *, days_old: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("pass_id\na\n", encoding="utf-8")
    written = (NOW - timedelta(days=days_old)).timestamp()
    os.utime(path, (written, written))
    return path


def ordered(folder: Path, text: str, *, now: datetime = NOW, **flags: Any) -> Order:
    return order_from(write_job(folder, text), Settings.read(**flags), now=now)


def order_from(file: Path, settings: Settings, *, now: datetime = NOW) -> Order:
    job = read_job(file)
    return order_of(job, settings_of(job, settings, now=now), now=now)


def sent(folder: Path, text: str, *, now: datetime = NOW, **flags: Any) -> SendOrder:
    order = ordered(folder, text, now=now, **flags)
    assert isinstance(order, SendOrder)
    return order


class TestList:
    def test_the_newest_match_and_of_two_of_one_moment_the_last_by_name(self, tmp_path: Path) -> None:
        put(tmp_path / "lists/offer-3.csv", days_old=2)
        put(tmp_path / "lists/offer-1.csv", days_old=1)
        newest = put(tmp_path / "lists/offer-2.csv", days_old=1)
        assert sent(tmp_path, 'list = "lists/offer-*.csv"\n').source == str(newest)

    @pytest.mark.parametrize(
        "name",
        ["offer-9.results.csv", "offer-9.results.failed.csv", "offer-9.resumed.csv", "offer-9.failed.csv", "~$offer-9.csv", ".offer.csv"],
    )
    def test_what_a_run_or_excel_put_beside_a_list_is_no_list(self, tmp_path: Path, name: str) -> None:
        mine = put(tmp_path / "lists/offer-1.csv", days_old=1)
        put(tmp_path / "lists" / name)
        (tmp_path / "lists/folder.csv").mkdir()
        assert sent(tmp_path, 'list = "lists/*.csv"\n').source == str(mine)

    def test_a_results_file_may_be_named(self, tmp_path: Path) -> None:
        mine = put(tmp_path / "offer.results.csv")
        assert sent(tmp_path, 'list = "offer.results.csv"\n').source == str(mine)

    def test_a_name_with_brackets_is_itself_if_there_is_such_a_file(self, tmp_path: Path) -> None:
        mine = put(tmp_path / "offer [final].csv", days_old=5)
        put(tmp_path / "offer f.csv")
        assert sent(tmp_path, 'list = "offer [final].csv"\n').source == str(mine)

    def test_a_folder_of_the_job_with_brackets_is_no_pattern(self, tmp_path: Path) -> None:
        mine = put(tmp_path / "jobs [new]/lists/a.csv")
        assert sent(mine.parents[1], 'list = "lists/*.csv"\n').source == str(mine)

    def test_above_the_job_anywhere_and_in_folders(self, tmp_path: Path) -> None:
        mine = put(tmp_path / "lists/2026/a.csv")
        (tmp_path / "jobs").mkdir()
        assert sent(tmp_path / "jobs", 'list = "../lists/**/*.csv"\n').source == str(mine)
        assert sent(tmp_path / "jobs", f"list = '{tmp_path}/lists/*/?.csv'\n").source == str(mine)

    def test_the_day_may_stand_in_it(self, tmp_path: Path) -> None:
        mine = put(tmp_path / "offer-2026-11-22.csv")
        put(tmp_path / "offer-2026-11-23.csv")
        assert sent(tmp_path, 'list = "offer-{date}.csv"\ntime_zone = "Europe/London"\n').source == str(mine)

    @pytest.mark.parametrize("pattern", ["lists/*.csv", "none.csv", "."])
    def test_none_is_told(self, tmp_path: Path, pattern: str) -> None:
        with raises(InputError, "no_list", file=f"{tmp_path}/job.toml", source=pattern):
            ordered(tmp_path, f'list = "{pattern}"\n')

    def test_a_stale_one_is_refused_and_its_age_told(self, tmp_path: Path) -> None:
        put(tmp_path / "a.csv", days_old=3.5)
        put(tmp_path / "b.csv", days_old=9)
        text = 'list = "*.csv"\nmax_age = "{}"\n'
        assert sent(tmp_path, text.format("4d")).source == str(tmp_path / "a.csv")
        with raises(InputError, "list_too_old", file=f"{tmp_path}/job.toml", source=tmp_path / "a.csv"):
            ordered(tmp_path, text.format("3d"))
        with raises(InputError, "list_too_old", source=tmp_path / "b.csv"):
            ordered(tmp_path, text.format("3d").replace("*", "b"))


class TestNames:
    @pytest.mark.parametrize(
        ("zone", "now", "name"),
        [
            ("Europe/London", NOW, "2026-11-22 2026-W47"),
            ("Europe/Berlin", NOW, "2026-11-23 2026-W48"),
            ("Pacific/Kiritimati", NOW, "2026-11-23 2026-W48"),
            ("America/New_York", datetime(2027, 1, 1, 4, 59, tzinfo=UTC), "2026-12-31 2026-W53"),
            ("America/New_York", datetime(2027, 1, 1, 5, 0, tzinfo=UTC), "2027-01-01 2026-W53"),
            ("UTC", datetime(2024, 12, 30, tzinfo=UTC), "2024-12-30 2025-W01"),
        ],
    )
    def test_day_and_week_are_those_of_the_job_s_zone(self, tmp_path: Path, zone: str, now: datetime, name: str) -> None:
        put(tmp_path / "a.csv")
        assert sent(tmp_path, f'list = "a.csv"\nname = "{{date}} {{week}}"\ntime_zone = "{zone}"\n', now=now).settings.name == name

    def test_the_zone_of_the_environment_counts_first_and_has_to_be_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "a.csv")
        text = 'list = "a.csv"\nname = "{date}"\ntime_zone = "Europe/Berlin"\n'
        monkeypatch.setenv("CAMPAIGN_TIME_ZONE", "Europe/London")
        order = sent(tmp_path, text)
        assert (order.settings.name, order.settings.time_zone) == ("2026-11-22", "Europe/London")
        monkeypatch.setenv("CAMPAIGN_TIME_ZONE", "Mars/One")
        with pytest.raises(UsageError, match="“Mars/One” is no time zone"):
            sent(tmp_path, text)

    def test_the_list_s_name_is_that_of_the_match(self, tmp_path: Path) -> None:
        put(tmp_path / "offer-7.v2.csv")
        order = sent(tmp_path, 'list = "*.csv"\nname = "{list} {{x}}"\nresults = "{list}.results.csv"\n')
        assert (order.settings.name, order.settings.results) == ("offer-7 {x}", tmp_path / "offer-7.results.csv")

    def test_a_message_keeps_its_braces(self, tmp_path: Path) -> None:
        put(tmp_path / "a.csv")
        assert sent(tmp_path, 'list = "a.csv"\nmessage = "{{ name }} {date}"\n').settings.message == "{{ name }} {date}"


class TestSettings:
    def test_paths_start_at_the_job(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "lists/a.csv")
        (tmp_path / "jobs").mkdir()
        write_job(tmp_path / "jobs", 'list = "../lists/a.csv"\ntemplate = "t.txt"\nresults = "/srv/{date}.csv"\nledger = "../c.db"\n')
        monkeypatch.chdir("/")
        order = order_from(tmp_path / "jobs/job.toml", Settings.read())
        assert isinstance(order, SendOrder)
        settings = order.settings
        assert (settings.template, settings.results) == (tmp_path / "jobs/t.txt", Path(f"/srv/{NOW.astimezone():%Y-%m-%d}.csv"))
        assert settings.ledger_path == tmp_path / "c.db"
        assert settings.ledger_to_name == str(tmp_path / "c.db")

    def test_flag_environment_file_job_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "a.csv")
        text = 'list = "a.csv"\nlimit = 1\nname = "job"\nhalt = 7\ntimeout = "1m"\nbaseline = true\njson = true\nledger = "job.db"\n'
        plain = sent(tmp_path, text).settings
        assert (plain.limit, plain.name, plain.halt, plain.timeout) == (1, "job", Halt(count=7), 60.0)
        assert (plain.baseline, plain.json_output, plain.yes, plain.max_attempts) == (True, True, True, 5)
        (tmp_path / ".env").write_text(
            "CAMPAIGN_LIMIT=2\nCAMPAIGN_NAME=file {date}\nCAMPAIGN_JSON=false\nCAMPAIGN_YES=0\n", encoding="utf-8"
        )
        of_file = sent(tmp_path, text).settings
        assert (of_file.limit, of_file.name, of_file.json_output, of_file.yes) == (2, "file {date}", False, True)
        monkeypatch.setenv("CAMPAIGN_LIMIT", "3")
        monkeypatch.setenv("CAMPAIGN_LEDGER", "environment.db")
        of_environment = sent(tmp_path, text).settings
        assert (of_environment.limit, of_environment.ledger, of_environment.ledger_to_name) == (3, "environment.db", "")
        of_flag = sent(tmp_path, text, limit=4, ledger="flag.db", rate="unlimited").settings
        assert (of_flag.limit, of_flag.ledger_to_name, of_flag.rate, of_flag.timeout) == (4, "flag.db", None, 60.0)

    def test_a_message_given_otherwise_takes_the_place_of_the_job_s(self, tmp_path: Path) -> None:
        put(tmp_path / "a.csv")
        settings = sent(tmp_path, 'list = "a.csv"\ntemplate = "t.txt"\n', message="Hi").settings
        assert (settings.message, settings.template) == ("Hi", None)


class TestRetry:
    def test_a_retry_names_its_campaign_and_rows(self, tmp_path: Path) -> None:
        text = 'command = "retry"\ncampaign = "offer-{week}"\ntime_zone = "Europe/Berlin"\nstatus = ["failed", "unknown"]\nlimit = 3\n'
        order = ordered(tmp_path, text)
        assert isinstance(order, RetryOrder)
        assert (order.campaign, order.comes_and_goes, order.settings.limit) == ("offer-2026-W48", True, 3)
        assert order.selection == Selection(statuses=frozenset({Status.FAILED, Status.UNKNOWN}))

    def test_without_a_status_it_is_what_failed(self, tmp_path: Path) -> None:
        order = ordered(tmp_path, 'command = "retry"\ncampaign = "offer"\n')
        assert isinstance(order, RetryOrder)
        assert (order.campaign, order.comes_and_goes) == ("offer", False)
        assert order.selection == Selection(statuses=frozenset({Status.FAILED}))

    @pytest.mark.parametrize(
        ("lines", "reasons", "codes"),
        [
            ('reason = "http_404"', {"http_404"}, set()),
            ('reason = ["http_404", "timeout"]\nhttp_status = 422', {"http_404", "timeout"}, {422}),
            ('reason = "http_404, timeout"\nhttp_status = "404,422"', {"http_404", "timeout"}, {404, 422}),
            ('http_status = [404, "422"]', set(), {404, 422}),
        ],
    )
    def test_reasons_and_answers_mean_what_the_flags_do(self, tmp_path: Path, lines: str, reasons: set[str], codes: set[int]) -> None:
        order = ordered(tmp_path, f'command = "retry"\ncampaign = "offer"\n{lines}\n')
        assert isinstance(order, RetryOrder)
        chosen = Selection(statuses=frozenset({Status.FAILED}), reasons=frozenset(reasons), http_statuses=frozenset(codes))
        assert order.selection == chosen
