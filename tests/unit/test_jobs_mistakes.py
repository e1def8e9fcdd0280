"""The mistakes of a job file are reported by line and key, all at once."""

import os
from pathlib import Path

import pytest

from campaign.app.jobs.job import Command, read_job
from campaign.app.jobs.schema import OF_JOBS, JobError, known_keys
from campaign.domain.errors import InputError
from campaign.settings import Settings
from tests.unit.jobs_given import mistakes, write_job

GOOD = 'list = "list.csv"\nmessage = "Hi {{ first_name }} {date}"\n'

# what is added to a good job as line 3, the key that is told, the kind of mistake, and what was probably meant
WRONG: list[tuple[str, str, str, str]] = [
    ('mesage = "a"', "mesage", "unknown_key", "message"),
    ('max-age = "3d"', "max-age", "unknown_key", "max_age"),
    ("Rate = 9", "Rate", "unknown_key", "rate"),
    ('quiet_time = "9s"', "quiet_time", "unknown_key", "quiet_period"),
    ("zzz = 1", "zzz", "unknown_key", ""),
    ("json_output = true", "json_output", "unknown_key", "json"),
    ('limit = "5"', "limit", "wrong_type", ""),
    ("limit = 5.5", "limit", "wrong_type", ""),
    ("limit = true", "limit", "wrong_type", ""),
    ("limit = 0", "limit", "bad_value", ""),
    ("concurrency = 9999", "concurrency", "bad_value", ""),
    ("name = 2026", "name", "wrong_type", ""),
    ('name = ["a"]', "name", "wrong_type", ""),
    ("results = true", "results", "wrong_type", ""),
    ("baseline = 1", "baseline", "wrong_type", ""),
    ('baseline = "yes"', "baseline", "wrong_type", ""),
    ("rate = true", "rate", "wrong_type", ""),
    ("rate = 0", "rate", "bad_value", ""),
    ('rate = "fast"', "rate", "bad_value", ""),
    ("rate = {a = 1}", "rate", "wrong_type", ""),
    ("timeout = 10", "timeout", "bad_value", ""),
    ('quiet_period = "soon"', "quiet_period", "bad_value", ""),
    ('halt = "lots"', "halt", "bad_value", ""),
    ("halt = [1]", "halt", "wrong_type", ""),
    ('on_unknown = "x"', "on_unknown", "bad_value", ""),
    ('log_level = "loud"', "log_level", "bad_value", ""),
    ('max_age = "3 days"', "max_age", "bad_value", ""),
    ("max_age = 3", "max_age", "wrong_type", ""),
    ('time_zone = "Berlin"', "time_zone", "bad_value", ""),
    ('time_zone = "europe/berln"', "time_zone", "bad_value", "Europe/Berlin"),
    ('name = "a-{dat}"', "name", "unknown_placeholder", "{date}"),
    ('name = "a-{x}"', "name", "unknown_placeholder", ""),
    ('name = "a-{date:%d}"', "name", "unknown_placeholder", "{date}"),
    ('name = "a-{date"', "name", "single_brace", ""),
    ('ledger = "{list}.db"', "ledger", "unknown_placeholder", ""),
    ('results = "{campaign}.csv"', "results", "unknown_placeholder", ""),
    ('template = "a.txt"', "template", "several_messages", ""),
    ('templates = "a"', "templates", "several_messages", ""),
    ('command = "send"', "command", "bad_value", ""),
    ('campaign = "a"', "campaign", "key_of_another_command", ""),
    ('status = "failed"', "status", "key_of_another_command", ""),
    ('reason = "http_404"', "reason", "key_of_another_command", ""),
    ("http_status = 422", "http_status", "key_of_another_command", ""),
    ("http_statuses = 422", "http_statuses", "unknown_key", "http_status"),
    ("yes = true", "yes", "not_in_a_job", ""),
    ('api_url = "https://a.example"', "api_url", "not_in_a_job", ""),
    ('ca_file = "ca.pem"', "ca_file", "not_in_a_job", ""),
    ('api_key_file = "/run/token"', "api_key_file", "not_in_a_job", ""),
    ('message = "again"', "message", "repeated_key", ""),
    ("[send]", "[send]", "unknown_table", ""),
    ("send.halt = 5", "[send]", "unknown_table", ""),
    ("[[send]]", "[send]", "unknown_table", ""),
    ("[notfy]", "[notfy]", "unknown_table", "[notify]"),
    ('notify.on = ["stoped"]', "notify.on", "bad_value", "stopped"),
    ("rate = fast", "rate", "no_quotes", ""),
]

TOKENS = ["api_key", "token", "API-KEY", "passentry_api_key", "api_token", "password", "secret", "bearer_token", '"access token"']


@pytest.mark.parametrize(("line", "key", "code", "suggestion"), WRONG)
def test_a_mistake_is_told_by_line_and_key(tmp_path: Path, line: str, key: str, code: str, suggestion: str) -> None:
    [mistake] = mistakes(write_job(tmp_path, f"{GOOD}{line}\n"))
    assert (mistake.line, mistake.key, mistake.code, mistake.suggestion) == (3, key, code, suggestion)
    assert mistake.as_json()["code"] == code


def test_all_of_them_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    alone = [case for case in WRONG if not case[0].startswith(("command", "rate", "send", "[", "message", "template"))]
    names = [line.partition(" ")[0] for line, *_ in alone]
    once = [case for place, case in enumerate(alone) if names[place] not in names[:place]]
    text = GOOD + "".join(f"{line}\n" for line, *_ in once)
    found = mistakes(write_job(tmp_path, text))
    assert [(mistake.line, mistake.key) for mistake in found] == [(place, key) for place, (_, key, *_) in enumerate(once, start=3)]
    assert len(found) > 20
    with pytest.raises(JobError) as caught:
        read_job(tmp_path / "job.toml")
    assert (caught.value.exit_code, caught.value.code, caught.value.file) == (2, "job_mistakes", f"{tmp_path}/job.toml")
    assert caught.value.mistakes == found
    assert len(caught.value.lines) == 1 + len(found)


@pytest.mark.parametrize("key", TOKENS)
@pytest.mark.parametrize(
    "form", ['{} = "sekret-42"', "{} = sekret-42", "{} = 'sekret-42", '[{}]\nx = "sekret-42"', 'auth.{} = "sekret-42"']
)
def test_a_token_is_refused_and_never_repeated(tmp_path: Path, key: str, form: str) -> None:
    path = write_job(tmp_path, f"{GOOD}{form.format(key)}\n")
    with pytest.raises(JobError) as caught:
        read_job(path)
    assert "sekret" not in str(caught.value)
    if form.startswith('{} = "'):
        assert [mistake.code for mistake in caught.value.mistakes] == ["token_in_a_job"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["list missing_key"]),
        ("# nothing\n", ["list missing_key"]),
        ('list = ""\n', ["list bad_value"]),
        ('list = "-"\n', ["list bad_value"]),
        ('list = "{list}.csv"\n', ["list unknown_placeholder"]),
        ('command = "retry"\n', ["campaign missing_key"]),
        ('command = "retry"\ncampaign = " "\n', ["campaign bad_value"]),
        ('command = "retry"\ncampaign = "{list}"\n', ["campaign unknown_placeholder"]),
        ('command = "retry"\ncampaign = "a"\nstatus = ["failed", "delivered"]\n', ["status bad_value"]),
        ('command = "retry"\ncampaign = "a"\nstatus = [1]\n', ["status wrong_type"]),
        ('command = "retry"\ncampaign = "a"\nreason = 404\n', ["reason wrong_type"]),
        ('command = "retry"\ncampaign = "a"\nreason = ["http_404", " "]\n', ["reason bad_value"]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = "none"\n', ["http_status bad_value"]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = [404, 42]\n', ["http_status bad_value"]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = 404.0\n', ["http_status bad_value"]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = true\n', ["http_status wrong_type"]),
        (
            'command = "retry"\ncampaign = "a"\nstatus = "faild"\nreason = ""\nhttp_status = "4xx"\n',
            ["status bad_value", "reason bad_value", "http_status bad_value"],
        ),
        (
            'command = "retry"\ncampaign = "a"\nlist = "a.csv"\nmessage = "b"\n',
            ["list key_of_another_command", "message key_of_another_command"],
        ),
        ('command = "retry"\ncampaign = "a"\nresults = "{list}.csv"\n', ["results unknown_placeholder"]),
    ],
)
def test_what_a_command_needs_and_what_means_nothing_to_it(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [f"{mistake.key} {mistake.code}" for mistake in mistakes(write_job(tmp_path, text))] == expected


def test_a_key_that_slipped_into_the_table_of_notices_is_told_where_it_belongs(tmp_path: Path) -> None:
    [mistake] = mistakes(write_job(tmp_path, f"{GOOD}[notify]\nrate = 9\n"))
    assert (mistake.line, mistake.key, mistake.code, mistake.suggestion) == (4, "notify.rate", "misplaced_key", "rate")


def test_a_good_job_has_no_mistakes(tmp_path: Path) -> None:
    job = read_job(write_job(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n")))
    assert job.command is Command.RUN
    assert job.values == {("list",): "list.csv", ("message",): "Hi {{ first_name }} {date}"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "unreadable_file"),
        ('list = "a"'.encode("utf-16"), "not_utf8"),
        (b"#" * 70_000, "file_too_large"),
        (b"\n" * 2_000, "file_too_large"),
    ],
)
def test_a_file_that_is_no_job_is_told(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "job.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_job(path)
    assert (caught.value.code, caught.value.file) == (code, path)


@pytest.mark.parametrize(("line", "code"), [("limit = " + "9" * 5000, "number_too_long"), ("list = " + "[" * 30_000, "too_deep")])
def test_what_the_parser_itself_breaks_at_is_a_mistake_too(tmp_path: Path, line: str, code: str) -> None:
    assert code in {found.code for found in mistakes(write_job(tmp_path, f"{GOOD}{line}\n"))}


def test_a_pipe_is_no_job_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "job.toml")
    with pytest.raises(InputError) as caught:
        read_job(tmp_path / "job.toml")
    assert caught.value.code == "not_a_file"


def test_every_setting_is_a_key_but_those_that_a_job_must_not_have() -> None:
    fields = {key.field for key in known_keys().values() if key.field}
    assert fields == set(Settings.model_fields) - {"yes", "moved_here", "api_url", "api_key", "api_key_file", "ca_file"}
    assert {key.name for key in known_keys().values()} >= {"json", "list", "max_age", "command", "campaign", "status", "time_zone"}


def test_the_example_of_the_documentation_is_a_job(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations" / "jobs.md").read_text(encoding="utf-8")
    assert mistakes(write_job(tmp_path, text.split("```toml\n")[1].split("```")[0])) == ()
    assert all(f"| `{key.name}` |" in text for key in OF_JOBS)
