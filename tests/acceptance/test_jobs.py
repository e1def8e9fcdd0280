"""Job files as schedules start them: nobody is there, and what was sent is not sent again."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests import prefork
from tests.acceptance.desk import ROOT, Desk, broke_off, events
from tests.examples import slow_after

JOBS = sorted((ROOT / "jobs").glob("*.toml"))
PASSES = 504


@pytest.fixture
def office(desk: Desk) -> Desk:
    """A folder as the schedules expect it, and an environment with next to nothing in it."""
    for folder in ("jobs", "sample_data"):
        shutil.copytree(ROOT / folder, desk.folder / folder, ignore=shutil.ignore_patterns("*.results.*", "*.failed.csv"))
    kept = ("PATH", "HOME", "PYTHONPATH", "CAMPAIGN_LEDGER", "CAMPAIGN_QUIET_PERIOD", "PASSENTRY_API_URL", "PASSENTRY_API_KEY")
    return replace(desk, environment={name: desk.environment[name] for name in kept} | {"CAMPAIGN_RATE": "unlimited"})


def write_job(desk: Desk, text: str, name: str = "job.toml") -> str:
    (desk.folder / name).write_text(text, encoding="utf-8")
    return name


def names(stderr: str) -> list[str]:
    return [str(event["event"]) for event in events(stderr)]


class TestCron:
    """The lines of `jobs/crontab`, as cron runs them."""

    @pytest.fixture
    def cron(self, office: Desk) -> tuple[dict[str, str], list[str]]:
        """The variables and the commands of the crontab, in this folder."""
        program = office.folder / "bin" / "campaign"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {prefork.executable()} -m campaign "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        (office.folder / "token").write_text("a-token\n", encoding="utf-8")
        (office.folder / "token").chmod(0o600)
        text = (ROOT / "jobs" / "crontab").read_text(encoding="utf-8")
        places = {
            "/opt/campaign/bin/campaign": program,
            "/srv/campaign": office.folder,
            "/var/lib/campaign": office.folder,
            "/etc/campaign/token": office.folder / "token",
        }
        for place, here in places.items():
            assert place in text
            text = text.replace(place, str(here))
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        variables = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
        commands = [line.split(None, 5)[5] for line in lines if not re.match(r"\w+=", line)]
        assert all("%" not in command for command in commands)
        return variables | {"HOME": str(office.folder), "PASSENTRY_API_URL": office.simulator.url, "CAMPAIGN_RATE": "unlimited"}, commands

    def start(self, command: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        bare = ["env", "-i", "PATH=/usr/bin:/bin", *(f"{name}={value}" for name, value in variables.items()), "/bin/sh", "-c", command]
        return subprocess.run(
            bare, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False, start_new_session=True
        )

    @pytest.mark.slow
    def test_the_weekly_job_twice(self, office: Desk, cron: tuple[dict[str, str], list[str]]) -> None:
        variables, [weekly, _] = cron
        log = office.folder / "log.jsonl"
        first = self.start(weekly, variables)
        assert (first.returncode, first.stderr) == (0, "")
        assert f"{PASSES} rows: {PASSES} delivered." in first.stdout
        assert "Exit code" not in first.stdout
        told = names(log.read_text(encoding="utf-8"))
        assert (told[0], told[-1]) == ("run_started", "run_ended")
        assert len(office.sent()) == PASSES
        second = self.start(weekly, variables)
        assert (second.returncode, second.stderr) == (0, "")
        assert re.fullmatch(r".*“weekly-offer-\d{4}-W\d\d”.*\n", second.stdout)
        assert names(log.read_text(encoding="utf-8"))[len(told) :] == ["run_ended"]
        assert {len(texts) for texts in office.sent().values()} == {1}
        assert sum(request.method == "POST" for request in office.simulator.requests()) == PASSES

    def test_an_exit_code_that_needs_attention_is_in_the_mail(self, office: Desk, cron: tuple[dict[str, str], list[str]]) -> None:
        variables, [weekly, nightly] = cron
        office.simulator.set_faults(faults={"not_found": 0.05})
        log = office.folder / "log.jsonl"
        first = self.start(weekly, variables)
        assert first.stderr == ""
        assert re.search(r" rows need attention\. Next: campaign retry \S+\.results\.failed\.csv\nExit code 3\n$", first.stdout)
        failed = {one.id for one in office.simulator.requests()} - set(office.sent())
        assert 0 < len(failed) < PASSES / 4
        office.simulator.set_faults(faults={})
        # What failed is told once, by the run in which it did.
        again = self.start(weekly, variables)
        assert again.stdout.count("\n") == 1
        assert "Exit code" not in again.stdout
        assert len(office.sent()) == PASSES - len(failed)
        assert f"{PASSES} rows: {PASSES} delivered." in self.start(nightly, variables).stdout
        assert re.fullmatch(r".*“weekly-offer-.*\n", self.start(nightly, variables).stdout)
        assert {len(texts) for texts in office.sent().values()} == {1}
        assert len(office.sent()) == PASSES
        assert all(json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())

    def test_a_mistake_in_a_job_sends_nothing(self, office: Desk, cron: tuple[dict[str, str], list[str]]) -> None:
        variables, [weekly, _] = cron
        job = office.folder / "jobs" / "weekly-offer.toml"
        job.write_text(job.read_text(encoding="utf-8").replace("halt =", "halts ="), encoding="utf-8")
        mail = self.start(weekly, variables)
        assert mail.stdout == "Exit code 2\n"
        first, mistake = mail.stderr.splitlines()
        assert first.startswith("campaign: jobs/weekly-offer.toml: ")
        assert "“halts”" in mistake
        assert office.simulator.requests() == []

    def test_a_list_that_is_missing_is_in_the_mail_and_every_line_of_the_log_parses(
        self, office: Desk, cron: tuple[dict[str, str], list[str]]
    ) -> None:
        variables, [weekly, _] = cron
        job = office.folder / "jobs" / "weekly-offer.toml"
        job.write_text(job.read_text(encoding="utf-8").replace("promo.*", "none-*"), encoding="utf-8")
        mail = self.start(weekly, variables)
        assert mail.stdout == "Exit code 2\n"
        assert mail.stderr.startswith("campaign: jobs/weekly-offer.toml: ")
        assert broke_off((office.folder / "log.jsonl").read_text(encoding="utf-8")) == "no_list"
        assert office.simulator.requests() == []


def test_the_steps_of_a_pipeline_twice(office: Desk) -> None:
    for _ in range(2):
        words = [sys.executable, str(office.folder / "jobs" / "pipeline.py")]
        done = subprocess.run(words, cwd="/", env=office.environment, capture_output=True, text=True, timeout=90, check=True)
        assert done.stdout.split() == ["delivery_status", "delivered", str(PASSES)]
        assert {len(texts) for texts in office.sent().values()} == {1}
        assert len(office.sent()) == PASSES


@pytest.mark.parametrize("job", [job.name for job in JOBS])
def test_every_job_can_be_started_as_it_stands(office: Desk, job: str) -> None:
    before = "weekly-offer.toml"
    office.simulator.set_faults(faults={"not_found": 0.05} if job == "nightly-retry.toml" else {})
    if job == "nightly-retry.toml":
        office.run("run", f"jobs/{before}", code=3)
        office.simulator.set_faults(faults={})
    seen = office.json("run", f"jobs/{job}")
    assert (seen["state"], seen["exit_code"], seen["by_status"]["delivered"]) == ("finished", 0, PASSES)
    assert len(office.sent()) == PASSES
    assert office.run("run", f"jobs/{job}").stdout.count("\n") == 1
    assert {len(texts) for texts in office.sent().values()} == {1}


def test_the_night_before_the_first_offer_there_is_nothing_to_do(office: Desk) -> None:
    seen = office.run("run", "jobs/nightly-retry.toml")
    assert re.fullmatch(r".*“weekly-offer-\d{4}-W\d\d”.*\n", seen.stdout)
    assert office.json("run", "jobs/nightly-retry.toml")["exit_code"] == 0


def test_a_retry_of_a_campaign_by_a_name_that_never_was_is_a_mistake(office: Desk) -> None:
    refused = office.run("run", write_job(office, 'command = "retry"\ncampaign = "sprong"\n'), code=2)
    assert broke_off(refused.stderr) == "unknown_campaign"


def test_a_mistake_that_shows_only_with_the_list_names_its_job(office: Desk) -> None:
    office.make_list(3)
    job = write_job(office, 'list = "list.csv"\nmessage = "Hi {{ nam }}"\nname = "offer"\n')
    refused = office.run("run", job, code=2)
    assert job in refused.stderr
    assert "nam" in refused.stderr.partition(job)[2]
    assert office.sent() == {}


def test_started_while_the_last_is_still_running_it_joins(office: Desk) -> None:
    office.make_list(60)
    job = write_job(office, 'list = "list.csv"\nmessage = "Hi {{ first_name }}"\nname = "offer-{week}"\nrate = 20\n')
    slowly = replace(office, environment={name: value for name, value in office.environment.items() if name != "CAMPAIGN_RATE"})
    both = [slowly.start("run", job) for _ in range(2)]
    deadline = time.monotonic() + 20
    while len(office.sent()) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    late = slowly.start("run", job)
    outputs = [process.communicate(timeout=60) for process in (*both, late)]
    assert [process.returncode for process in (*both, late)] == [0, 0, 0], outputs
    assert all("60 rows: 60 delivered." in out for out, _ in outputs)
    assert all(events(err) for _, err in outputs)
    assert {len(texts) for texts in office.sent().values()} == {1}
    assert len(office.sent()) == 60


def test_cut_off_it_goes_on_and_says_how(office: Desk) -> None:
    office.make_list(6)
    (office.folder / "my jobs").mkdir()
    job = write_job(
        office, 'list = "../list.csv"\nmessage = "Hi {{ first_name }}"\nname = "{date}"\nlimit = 4\nledger = "own.db"\n', "my jobs/job.toml"
    )
    kept = replace(office, environment={name: value for name, value in office.environment.items() if name != "CAMPAIGN_LEDGER"})
    first = kept.run("run", job, code=5)
    assert "4 delivered, 2 not sent yet" in first.stdout
    # It is the job that goes on: resume knows nothing of its limits.
    [words] = [shlex.split(line)[1:] for line in re.findall(r"^    (campaign .*)$", first.stdout, re.MULTILINE)]
    assert words == ["run", "my jobs/job.toml"]
    assert first.stdout.endswith(" Next: campaign run 'my jobs/job.toml'\n")
    kept.run(*words)
    assert len(office.sent()) == 6
    assert (office.folder / "my jobs" / "own.db").exists()


def test_a_paused_campaign_is_not_nothing_to_do(office: Desk) -> None:
    office.make_list(6)
    job = write_job(office, 'list = "list.csv"\nmessage = "Hi {{ first_name }}"\nlimit = 4\n')
    office.run("run", job, code=5)
    office.run("pause", "list")
    office.run("run", job, code=5)
    assert len(office.sent()) == 4


def test_another_list_under_the_same_name_is_refused(office: Desk) -> None:
    office.make_list(3, "a-1.csv")
    job = write_job(office, 'list = "a-*.csv"\nmessage = "Hi {{ first_name }}"\nname = "offer-{week}"\n')
    office.run("run", job)
    office.make_list(4, "a-2.csv")
    assert broke_off(office.run("run", job, code=2).stderr) == "other_content"
    assert len(office.sent()) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    slow_after(
        2,
        [
            ('list = "none/*.csv"\nmessage = "a"\n', "“none/*.csv”"),
            ('list = "list.csv"\nmessage = "a"\nmax_age = "1s"\n', "“max_age”"),
            ('list = "list.csv"\nmesage = "a"\n', "\n  line 2, “mesage”: "),
            ('list = "list.csv"\nmesage = "a"\nrate = "x"\n', "\n  line 2, “mesage”: "),
            ('list = "list.csv"\nmessage = "a"\napi_key = "sekret"\n', "PASSENTRY_API_KEY"),
            ('list = "list.csv"\ntemplate = "none.txt"\n', "none.txt"),
            ('list = "list.csv"\nmessage = "a"\nexclude = "none.csv"\n', "none.csv"),
            ('list = "list.csv"\nmessage = "a"\nnot_after = 2020-01-01\n', "--not-after"),
        ],
        unpack=True,
    ),
)
def test_a_wrong_job_is_told_and_nothing_is_sent(office: Desk, text: str, says: str) -> None:
    old = time.time() - 60
    os.utime(office.make_list(3), (old, old))
    refused = office.run("run", write_job(office, text), code=2)
    # A mistake of the job itself is told before there is a log; what comes later is an event, as there is no terminal.
    told = refused.stderr if refused.stderr.startswith("campaign: ") else json.loads(refused.stderr)["detail"]
    assert says in told
    assert "sekret" not in refused.stderr
    assert refused.stdout == ""
    assert office.simulator.requests() == []
    assert [one["ok"] for one in json.loads(office.run("jobs", "check", ".", "--json", code=2).stdout)] == [False]


def test_looking_through_sends_nothing(office: Desk) -> None:
    office.make_list(3)
    job = write_job(office, 'list = "list.csv"\nmessage = "Hi {{ first_name }}"\n')
    for words in (("check", job), ("run", job, "--dry-run")):
        assert office.json(*words)["sendable"] == 3
    retry = write_job(office, 'command = "retry"\ncampaign = "list"\n', "retry.toml")
    for words in (("check", retry), ("run", retry, "--dry-run")):
        assert "retry.toml" in office.run(*words, code=2).stderr
    assert office.simulator.requests() == []


class TestFolder:
    def test_every_job_here_is_fine(self, office: Desk) -> None:
        found = {one["job"]: one for one in json.loads(office.run("jobs", "check", "jobs", "--json").stdout)}
        assert len(found) == len(JOBS)
        assert all(one["ok"] for one in found.values())
        assert re.fullmatch(r"weekly-offer-\d{4}-W\d\d", found["weekly-offer.toml"]["campaign"])
        assert found["weekly-offer.toml"]["check"]["sendable"] == 504
        assert office.simulator.requests() == []

    def test_each_that_is_wrong_is_told_with_all_its_mistakes(self, office: Desk) -> None:
        (office.folder / "list.csv").write_text("pass_id,first_name\na,Anna\nb,\n", encoding="utf-8")
        write_job(office, 'list = "list.csv"\nmessage = "Hi {{ first_name }} {code}"\n', "1.toml")
        write_job(office, 'list = "list.csv"\nmessage = "Hi {{ last_name }}"\n', "2.toml")
        write_job(office, 'list = "list.csv"\nlimt = 3\nrate = 0\n', "3.toml")
        seen = office.run("jobs", "check", ".", code=2).stdout
        assert re.search(r"^1\.toml  ok     .*“list”.*\n {15}Check this: 1 message seems to hold a .*: line 2 \(row 1\)\.", seen)
        assert re.search(r"^2\.toml  wrong  .*last_name", seen, re.MULTILINE)
        assert re.search(r"^3\.toml  wrong  line 2, “limt”: .*\n {15}line 3, “rate”: ", seen, re.MULTILINE)
        found = json.loads(office.run("jobs", "check", ".", "--json", code=2).stdout)
        assert [(one["job"], one["ok"]) for one in found] == [("1.toml", True), ("2.toml", False), ("3.toml", False)]
        assert (found[0]["campaign"], found[0]["check"]["sendable"]) == ("list", 1)
        assert [(mistake["line"], mistake["code"]) for mistake in found[2]["mistakes"]] == [(2, "unknown_key"), (3, "bad_value")]

    @pytest.mark.parametrize("folder", ["none", "empty"])
    def test_a_folder_without_jobs_is_told(self, office: Desk, folder: str) -> None:
        (office.folder / "empty").mkdir()
        assert f"{folder}: " in office.run("jobs", "check", folder, code=2).stderr


class TestSchedules:
    FILES = sorted(
        path for path in (ROOT / "jobs").rglob("*") if path.is_file() and path.suffix in {"", ".service", ".timer", ".yaml", ".md"}
    )

    def test_they_start_only_jobs_that_there_are(self) -> None:
        named = {name for path in self.FILES for name in re.findall(r"jobs/([\w-]+\.toml)", path.read_text(encoding="utf-8"))}
        named |= {f"{name}.toml" for path in self.FILES for name in re.findall(r"campaign-job@([\w-]+)", path.name)}
        assert {"weekly-offer.toml", "nightly-retry.toml", "spring-promo.toml"} <= named
        assert named <= {job.name for job in JOBS}
