"""Every mistake of a job file is told, by line and key, all at once."""

import os
from pathlib import Path

import pytest

from campaign.app.jobs import Command, read_job
from campaign.app.jobs.keys import OF_JOBS, known_keys
from campaign.app.jobs.mistakes import JobError
from campaign.domain.errors import InputError
from campaign.settings import Settings
from tests.unit.jobs_given import mistakes, write_job

GOOD = 'list = "list.csv"\nmessage = "Hi {{ first_name }} {date}"\n'

# what is added to a good job as line 3, the key that is told, and what is said
WRONG: list[tuple[str, str, str]] = [
    ('mesage = "a"', "mesage", "there is no such key; did you mean message?"),
    ('max-age = "3d"', "max-age", "there is no such key; did you mean max_age?"),
    ("Rate = 9", "Rate", "there is no such key; did you mean rate?"),
    ('quiet_time = "9s"', "quiet_time", "there is no such key; did you mean quiet_period?"),
    ("zzz = 1", "zzz", "there is no such key; docs/jobs.md tells which there are"),
    ("json_output = true", "json_output", "there is no such key; did you mean json?"),
    ('limit = "5"', "limit", "this has to be a whole number without quotes, such as 100"),
    ("limit = 5.5", "limit", "this has to be a whole number"),
    ("limit = true", "limit", "this has to be a whole number"),
    ("limit = 0", "limit", "this should be greater than or equal to 1"),
    ("concurrency = 9999", "concurrency", "this should be less than or equal to 4096"),
    ("name = 2026", "name", "this has to be a text in quotes"),
    ('name = ["a"]', "name", "this has to be a text in quotes"),
    ("results = true", "results", "this has to be a text in quotes"),
    ("baseline = 1", "baseline", "this has to be true or false"),
    ('baseline = "yes"', "baseline", "this has to be true or false"),
    ("rate = true", "rate", "this has to be a number, or a text in quotes"),
    ("rate = 0", "rate", "“0” is not a rate; write a number of sends per second above 0, such as 9"),
    ('rate = "fast"', "rate", "“fast” is not a rate"),
    ("rate = {a = 1}", "rate", "and not a table"),
    ("timeout = 10", "timeout", "“10” is not a duration; write for example 500ms, 10s, 5m, 2h or 3d"),
    ('quiet_period = "soon"', "quiet_period", "“soon” is not a duration"),
    ('halt = "lots"', "halt", "“lots” is not a limit of failures"),
    ("halt = [1]", "halt", "this has to be a number, or a text in quotes"),
    ('on_unknown = "x"', "on_unknown", "this should be 'verify', 'hold' or 'resend'"),
    ('log_level = "loud"', "log_level", "“loud” is not a level of the log"),
    ('max_age = "3 days"', "max_age", "“3 days” is not a duration"),
    ("max_age = 3", "max_age", "this has to be a text in quotes"),
    ('time_zone = "Berlin"', "time_zone", "“Berlin” is no time zone; write its IANA name"),
    ('time_zone = "europe/berln"', "time_zone", "did you mean Europe/Berlin?"),
    ('name = "a-{dat}"', "name", "there is no placeholder {dat} here; did you mean {date}?"),
    ('name = "a-{x}"', "name", "there is no placeholder {x} here; there are {date} and {week} and {list}"),
    ('name = "a-{date:%d}"', "name", "there is no placeholder {date} here"),
    ('name = "a-{date"', "name", "has a single brace; write {{ or }} for a brace itself"),
    ('ledger = "{list}.db"', "ledger", "there is no placeholder {list} here; there are {date} and {week}"),
    ('results = "{campaign}.csv"', "results", "there is no placeholder {campaign} here"),
    ('template = "a.txt"', "template", "line 2 says already what is sent, with message; keep one of the two"),
    ('templates = "a"', "templates", "line 2 says already what is sent, with message; keep one of the two"),
    ('command = "send"', "command", "“send” is none of a job's commands, which are “run” (what it is without this key) and “retry”"),
    ('campaign = "a"', "campaign", 'only a job with command = "retry" has this; take it out'),
    ('status = "failed"', "status", 'only a job with command = "retry" has this; take it out'),
    ('reason = "http_404"', "reason", 'only a job with command = "retry" has this; take it out'),
    ("http_status = 422", "http_status", 'only a job with command = "retry" has this; take it out'),
    ("http_statuses = 422", "http_statuses", "there is no such key; did you mean http_status?"),
    ("yes = true", "yes", "a job is sent without being asked about"),
    ('api_url = "https://a.example"', "api_url", "put it into PASSENTRY_API_URL"),
    ('ca_file = "ca.pem"', "ca_file", "put it into CAMPAIGN_CA_FILE"),
    ('api_key_file = "/run/token"', "api_key_file", "put it into PASSENTRY_API_KEY_FILE"),
    ('message = "again"', "message", "it stands in line 2 already; keep one of the two"),
    ("[send]", "[send]", "there is no such table; the keys of a job stand by themselves"),
    ("send.halt = 5", "[send]", "there is no such table"),
    ("[[send]]", "[send]", "there is no such table"),
    ("[notfy]", "[notfy]", "there is no such table; did you mean [notify]?"),
    ('notify.on = ["stoped"]', "notify.on", "“stoped” is none of finished, failed, stopped; did you mean stopped?"),
    ("rate = fast", "rate", "stands in quotes"),
]

TOKENS = ["api_key", "token", "API-KEY", "passentry_api_key", "api_token", "password", "secret", "bearer_token", '"access token"']


@pytest.mark.parametrize(("line", "key", "says"), WRONG)
def test_a_mistake_is_told_by_line_and_key(tmp_path: Path, line: str, key: str, says: str) -> None:
    [mistake] = mistakes(write_job(tmp_path, f"{GOOD}{line}\n"))
    assert (mistake.line, mistake.key) == (3, key)
    assert says in mistake.problem


def test_all_of_them_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    alone = [case for case in WRONG if not case[0].startswith(("command", "rate", "send", "[", "message", "template"))]
    names = [line.partition(" ")[0] for line, _, _ in alone]
    once = [case for place, case in enumerate(alone) if names[place] not in names[:place]]
    text = GOOD + "".join(f"{line}\n" for line, _, _ in once)
    found = mistakes(write_job(tmp_path, text))
    assert [(mistake.line, mistake.key) for mistake in found] == [(place, key) for place, (_, key, _) in enumerate(once, start=3)]
    assert len(found) > 20
    with pytest.raises(JobError) as caught:
        read_job(tmp_path / "job.toml")
    assert caught.value.exit_code == 2
    assert caught.value.lines[0] == f"{tmp_path}/job.toml: there are {len(found)} mistakes in this job; nothing was sent."
    assert caught.value.lines[1] == "  line 3, “mesage”: there is no such key; did you mean message?"


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
        assert "a job never holds the token; put it into PASSENTRY_API_KEY" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", [("list", "this key is missing; write for example list = ")]),
        ("# nothing\n", [("list", "this key is missing")]),
        ('list = ""\n', [("list", "a job needs a file, or a pattern")]),
        ('list = "-"\n', [("list", "a job needs a file, or a pattern")]),
        ('list = "{list}.csv"\n', [("list", "there is no placeholder {list} here")]),
        ('command = "retry"\n', [("campaign", "this key is missing; write for example campaign = ")]),
        ('command = "retry"\ncampaign = " "\n', [("campaign", "can't be empty")]),
        ('command = "retry"\ncampaign = "{list}"\n', [("campaign", "there is no placeholder {list} here; there are {date} and {week}")]),
        ('command = "retry"\ncampaign = "a"\nstatus = ["failed", "delivered"]\n', [("status", "“delivered” is none of the rows")]),
        ('command = "retry"\ncampaign = "a"\nstatus = [1]\n', [("status", "or several of them in brackets")]),
        ('command = "retry"\ncampaign = "a"\nreason = 404\n', [("reason", "this has to be a text in quotes")]),
        ('command = "retry"\ncampaign = "a"\nreason = ["http_404", " "]\n', [("reason", "can't be empty")]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = "none"\n', [("http_status", "“none” is no HTTP status; write the number")]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = [404, 42]\n', [("http_status", "“42” is no HTTP status")]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = 404.0\n', [("http_status", "“404.0” is no HTTP status")]),
        ('command = "retry"\ncampaign = "a"\nhttp_status = true\n', [("http_status", "this has to be a number, or a text in quotes")]),
        (
            'command = "retry"\ncampaign = "a"\nstatus = "faild"\nreason = ""\nhttp_status = "4xx"\n',
            [("status", "“faild” is none of the rows"), ("reason", "can't be empty"), ("http_status", "“4xx” is no HTTP status")],
        ),
        (
            'command = "retry"\ncampaign = "a"\nlist = "a.csv"\nmessage = "b"\n',
            [("list", "are in the ledger with their messages"), ("message", "are in the ledger with their messages")],
        ),
        ('command = "retry"\ncampaign = "a"\nresults = "{list}.csv"\n', [("results", "a retry has no list that {list} could stand for")]),
    ],
)
def test_what_a_command_needs_and_what_means_nothing_to_it(tmp_path: Path, text: str, told: list[tuple[str, str]]) -> None:
    found = mistakes(write_job(tmp_path, text))
    assert [mistake.key for mistake in found] == [key for key, _ in told]
    assert all(says in mistake.problem for mistake, (_, says) in zip(found, told, strict=True))


def test_what_is_lacking_may_stand_in_a_line_that_is_not_understood(tmp_path: Path) -> None:
    [mistake] = mistakes(write_job(tmp_path, "list = lists/a.csv\n"))
    assert (mistake.line, mistake.key) == (1, "list")


def test_keys_of_an_unknown_table_are_looked_at_all_the_same(tmp_path: Path) -> None:
    found = mistakes(write_job(tmp_path, f"{GOOD}[send]\nrate = 0\nhalt = 5\nwindw = 1\n"))
    assert [(mistake.line, mistake.key) for mistake in found if mistake.key != "windw"] == [(3, "[send]"), (4, "rate")]
    assert [mistake.line for mistake in found if mistake.key == "windw"] == [6]


def test_a_key_that_slipped_into_the_table_of_notices_is_told_where_it_belongs(tmp_path: Path) -> None:
    [mistake] = mistakes(write_job(tmp_path, f"{GOOD}[notify]\nrate = 9\n"))
    assert (mistake.line, mistake.key) == (4, "notify.rate")
    assert mistake.problem == "it stands in the table [notify]; write it above all tables, as rate"


def test_a_good_job_has_no_mistakes(tmp_path: Path) -> None:
    job = read_job(write_job(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n")))
    assert job.command is Command.RUN
    assert job.values == {("list",): "list.csv", ("message",): "Hi {{ first_name }} {date}"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "The job can't be read: No such file or directory"),
        ('list = "a"'.encode("utf-16"), "The job is not text in UTF-8"),
        (b"#" * 70_000, "at most 64 kB"),
        (b"\n" * 2_000, "at most 1,000 lines"),
    ],
)
def test_a_file_that_is_no_job_is_told(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "job.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        read_job(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("line", "says"), [("limit = " + "9" * 5000, "far too long"), ("list = " + "[" * 30_000, "too deep")])
def test_what_the_parser_itself_breaks_at_is_a_mistake_too(tmp_path: Path, line: str, says: str) -> None:
    assert any(says in found.problem for found in mistakes(write_job(tmp_path, f"{GOOD}{line}\n")))


def test_a_pipe_is_no_job_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "job.toml")
    with pytest.raises(InputError, match="pipe"):
        read_job(tmp_path / "job.toml")


def test_every_setting_is_a_key_but_those_that_a_job_must_not_have() -> None:
    fields = {key.field for key in known_keys().values() if key.field}
    assert fields == set(Settings.model_fields) - {"yes", "moved_here", "shard", "api_url", "api_key", "api_key_file", "ca_file"}
    assert {key.name for key in known_keys().values()} >= {"json", "list", "max_age", "command", "campaign", "status", "time_zone"}


def test_the_example_of_the_documentation_is_a_job(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert mistakes(write_job(tmp_path, text.split("```toml\n")[1].split("```")[0])) == ()
    assert all(f"| `{key.name}` |" in text for key in OF_JOBS)
