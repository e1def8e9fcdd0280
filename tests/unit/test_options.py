"""Every option that is a setting is read from the flag, the environment and `.env`, in this order."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from campaign.cli.main import app
from campaign.cli.options import OPTIONS, with_options
from campaign.console.console_settings import ConsoleSettings
from campaign.console.drafts.draft import CONTROLS
from campaign.domain.errors import UsageError
from campaign.domain.failure_guard import Halt
from campaign.domain.notices import Occasion
from campaign.domain.schedule import parse_window
from campaign.sender.attempt import OnUnknown
from campaign.settings import NOT_FLAGS, ONLY_FLAGS, Engine, IsolatedSettings, Settings, Via
from tests.errors import raises

NOT_SETTINGS = {
    *("source", "target", "name", "first", "second", "to", "row", "line", "rows", "by", "status", "watch", "output", "file"),
    *("cancel", "reach", "reason", "http_status", "older_than", "since", "until"),
    *("conversions", "conversions_id", "conversions_time", "within"),
}
"""What a command is told of this one call: its arguments, and options that make no sense for all calls."""

ALONE = {"simulate", "demo", "jobs", "user", "export", "import"}
"""Commands that send to nobody, and heed no setting, and groups of commands."""

NOT_IN_THE_WIZARD = {
    *("name", "message", "template", "templates", "id_column", "query", "header_row", "max_length", "exclude"),
    *("results", "no_wait", "seed", "quiet_period", "concurrency", "max_attempts", "timeout", "dry_run", "yes", "moved_here"),
    *("ledger", "budget", "proxy", "ca_file", "engine", "address", "workers"),
    *("json_output", "log_level", "log_file", "metrics_file", "notify_on"),
}
"""What another part of the wizard asks for, the console decides, or is left at its default."""

# option: flag, its variable, its default, and for .env, environment and flag: as written, as understood
CASES: dict[str, tuple[str, str, Any, list[tuple[str, Any]]]] = {
    "name": ("--name", "CAMPAIGN_NAME", None, [("a", "a"), ("b", "b"), ("c", "c")]),
    "query": ("--query", "CAMPAIGN_QUERY", None, [(name, Path(name)) for name in ("a.sql", "b.sql", "c.sql")]),
    "message": ("--message", "CAMPAIGN_MESSAGE", None, [("a", "a"), ("b", "b"), ("c", "c")]),
    "template": ("--template", "CAMPAIGN_TEMPLATE", None, [(name, Path(name)) for name in "abc"]),
    "templates": ("--templates", "CAMPAIGN_TEMPLATES", None, [(name, Path(name)) for name in "abc"]),
    "id_column": ("--id-column", "CAMPAIGN_ID_COLUMN", None, [("a", "a"), ("b", "b"), ("c", "c")]),
    "header_row": ("--header-row", "CAMPAIGN_HEADER_ROW", None, [("1", 1), ("2", 2), ("3", 3)]),
    "max_length": ("--max-length", "CAMPAIGN_MAX_LENGTH", 350, [("1", 1), ("2", 2), ("3", 3)]),
    "lock_screen": ("--lock-screen", "CAMPAIGN_LOCK_SCREEN", 140, [("1", 1), ("2", 2), ("3", 3)]),
    "rate": ("--rate", "CAMPAIGN_RATE", 9.0, [("1", 1.0), ("2.5", 2.5), ("unlimited", None)]),
    "via": ("--via", "CAMPAIGN_VIA", Via.SINGLE, [("batch", Via.BATCH), ("single", Via.SINGLE), ("batch", Via.BATCH)]),
    "entity": ("--entity", "CAMPAIGN_ENTITY", None, [("a", "a"), ("b", "b"), ("c", "c")]),
    "limit": ("--limit", "CAMPAIGN_LIMIT", None, [("1", 1), ("2", 2), ("3", 3)]),
    "halt": ("--halt", "CAMPAIGN_HALT", Halt(), [("5", Halt(count=5)), ("20%", Halt(share=0.2)), ("7", Halt(count=7))]),
    "on_unknown": (
        "--on-unknown",
        "CAMPAIGN_ON_UNKNOWN",
        OnUnknown.VERIFY,
        [(way.value, way) for way in reversed(OnUnknown)],
    ),
    "quiet_period": ("--quiet-period", "CAMPAIGN_QUIET_PERIOD", 10.0, [("500ms", 0.5), ("2s", 2.0), ("1m", 60.0)]),
    "timeout": ("--timeout", "CAMPAIGN_TIMEOUT", 30.0, [("500ms", 0.5), ("2s", 2.0), ("1m", 60.0)]),
    "max_attempts": ("--max-attempts", "CAMPAIGN_MAX_ATTEMPTS", 5, [("1", 1), ("2", 2), ("3", 3)]),
    "concurrency": ("--concurrency", "CAMPAIGN_CONCURRENCY", None, [("1", 1), ("2", 2), ("3", 3)]),
    "results": ("--results", "CAMPAIGN_RESULTS", None, [(name, Path(name)) for name in ("a.csv", "b.csv", "c.csv")]),
    "ledger": ("--ledger", "CAMPAIGN_LEDGER", "", [("a", "a"), ("b", "b"), ("c", "c")]),
    "log_level": ("--log-level", "CAMPAIGN_LOG_LEVEL", None, [("debug", "debug"), ("Error", "error"), ("WARNING", "warning")]),
    "window": (
        "--window",
        "CAMPAIGN_WINDOW",
        None,
        [(text, parse_window(text)) for text in ("09:00-20:00", "22:00-06:00", "18:00-24:00")],
    ),
    "time_zone": (
        "--time-zone",
        "CAMPAIGN_TIME_ZONE",
        None,
        [(name, name) for name in ("UTC", "Asia/Tokyo", "Europe/Berlin")],
    ),
    "start_at": ("--start-at", "CAMPAIGN_START_AT", None, [("18:00", "18:00"), ("2026-12-24", "2026-12-24"), ("19:00", "19:00")]),
    "not_after": ("--not-after", "CAMPAIGN_NOT_AFTER", None, [("18:00", "18:00"), ("2026-12-24", "2026-12-24"), ("19:00", "19:00")]),
    "no_wait": ("--no-wait", "CAMPAIGN_NO_WAIT", False, [("true", True), ("false", False), ("", True)]),
    "exclude": (
        "--exclude",
        "CAMPAIGN_EXCLUDE",
        (),
        [("a.csv:b.csv", (Path("a.csv"), Path("b.csv"))), ("c.csv", (Path("c.csv"),)), ("d.csv", (Path("d.csv"),))],
    ),
    "only_reachable": ("--only-reachable", "CAMPAIGN_ONLY_REACHABLE", False, [("true", True), ("false", False), ("", True)]),
    "daily_cap": ("--daily-cap", "CAMPAIGN_DAILY_CAP", 3, [("1", 1), ("2", 2), ("0", 0)]),
    "sample": ("--sample", "CAMPAIGN_SAMPLE", None, [("1", 1), ("2", 2), ("3", 3)]),
    "seed": ("--seed", "CAMPAIGN_SEED", 0, [("1", 1), ("2", 2), ("3", 3)]),
    "canary": ("--canary", "CAMPAIGN_CANARY", None, [("1", 1), ("2", 2), ("3", 3)]),
    "log_file": ("--log-file", "CAMPAIGN_LOG_FILE", None, [(name, Path(name)) for name in ("a.log", "b.log", "c.log")]),
    "metrics_file": ("--metrics-file", "CAMPAIGN_METRICS_FILE", None, [(name, Path(name)) for name in ("a.prom", "b.prom", "c.prom")]),
    "notify_on": (
        "--notify-on",
        "CAMPAIGN_NOTIFY_ON",
        frozenset(Occasion),
        [(name, frozenset({Occasion(name)})) for name in ("finished", "failed", "stopped")],
    ),
    "engine": ("--engine", "CAMPAIGN_ENGINE", Engine.HERE, [("ray", Engine.RAY), ("here", Engine.HERE), ("ray", Engine.RAY)]),
    "address": ("--address", "CAMPAIGN_ADDRESS", None, [(name, name) for name in ("auto", "10.0.0.1:6379", "10.0.0.2:6379")]),
    "workers": ("--workers", "CAMPAIGN_WORKERS", 4, [("1", 1), ("2", 2), ("3", 3)]),
    "yes": ("--yes", "CAMPAIGN_YES", False, [("true", True), ("false", False), ("", True)]),
    "baseline": ("--baseline", "CAMPAIGN_BASELINE", False, [("true", True), ("false", False), ("", True)]),
    "budget": ("--budget", "CAMPAIGN_BUDGET", "", [("acme", "acme"), (" Acme GmbH ", "Acme GmbH"), ("a", "a")]),
    "proxy": (
        "--proxy",
        "CAMPAIGN_PROXY",
        "",
        [(url, url) for url in ("http://anna:secret@proxy.example:3128", "proxy.example", "https://anna@proxy.example")],
    ),
    "ca_file": ("--ca-file", "CAMPAIGN_CA_FILE", None, [(name, Path(name)) for name in ("a.pem", "b.pem", "c.pem")]),
    "dry_run": ("--dry-run", "CAMPAIGN_DRY_RUN", False, [("true", True), ("false", False), ("", True)]),
    "json_output": ("--json", "CAMPAIGN_JSON", False, [("true", True), ("false", False), ("", True)]),
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _, variable, _, _ in CASES.values():
        monkeypatch.delenv(variable, raising=False)


def read(*words: str) -> Settings:
    """The settings that a command with every option gets from these words."""
    found: list[Settings] = []
    command = typer.Typer()

    @command.command()
    @with_options(*OPTIONS)
    def _everything(*, settings: Settings) -> None:
        found.append(settings)

    result = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.mark.parametrize("wrong", ['"s3cret"', "'s3cret'", "Bearer s3cret", "s3cr\xe9t"])
def test_a_token_that_can_not_be_one_is_refused_by_where_it_came_from(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(f"{wrong}\n", encoding="latin-1")
    monkeypatch.setenv("PASSENTRY_API_KEY_FILE", str(file))
    with raises(UsageError, "bad_token", option="PASSENTRY_API_KEY_FILE") as error:
        Settings.read().token()
    assert str(file) in str(error.value)
    monkeypatch.setenv("PASSENTRY_API_KEY", wrong)
    with raises(UsageError, "bad_token", option="PASSENTRY_API_KEY") as error:
        Settings.read().token()
    assert "s3cr" not in str(error.value)


def test_a_token_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\r\n", encoding="utf-8-sig")
    assert IsolatedSettings.read(api_key_file=file).token() == "s3cret"


def test_the_table_of_cases_is_complete() -> None:
    assert set(CASES) | ONLY_FLAGS == set(OPTIONS)


def test_every_setting_is_a_flag_or_named_as_none() -> None:
    assert set(OPTIONS) == set(Settings.model_fields) - NOT_FLAGS


def test_the_wizard_offers_every_option_or_names_it_as_not_offered() -> None:
    assert set(OPTIONS) - {name for names in CONTROLS.values() for name in names} == NOT_IN_THE_WIZARD


def test_some_command_has_each_option() -> None:
    group = typer.main.get_command(app)
    assert set(OPTIONS) <= {parameter.name for command in group.commands.values() for parameter in command.params}  # type: ignore[attr-defined]  # typer's command of commands


@pytest.mark.parametrize("name", sorted(ONLY_FLAGS))
def test_what_is_about_one_run_is_no_variable(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"CAMPAIGN_{name.upper()}=1\n", encoding="utf-8")
    for value in ("1", "true", "perhaps"):
        monkeypatch.setenv(f"CAMPAIGN_{name.upper()}", value)
        assert getattr(read(), name) is False
        assert getattr(read(f"--{name.replace('_', '-')}"), name) is True


@pytest.mark.parametrize("option", CASES)
def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, variable, default, [(in_file, of_file), (in_environment, of_environment), (as_flag, of_flag)] = CASES[option]
    assert getattr(read(), option) == default
    (tmp_path / ".env").write_text(f"{variable}={in_file}\n", encoding="utf-8")
    assert getattr(read(), option) == of_file
    monkeypatch.setenv(variable, in_environment)
    assert getattr(read(), option) == of_environment
    assert getattr(read(flag, *([as_flag] if as_flag else [])), option) == of_flag


def test_every_option_of_every_command_is_a_setting_or_of_that_call_alone() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # typer's command of commands
        given = {parameter.name for parameter in command.params if not getattr(parameter, "hidden", False)} - {"help"}
        if name not in ALONE and not command.hidden:
            assert given <= set(OPTIONS) | NOT_SETTINGS | (set(ConsoleSettings.model_fields) if name == "serve" else set()), name
            assert {"ledger", "log_level"} <= given or name == "probe", name


@pytest.mark.parametrize(
    ("variable", "value", "option"),
    [
        ("CAMPAIGN_RATE", "fast", "--rate"),
        ("CAMPAIGN_RATE", "nan", "--rate"),
        ("CAMPAIGN_LOG_LEVEL", "loud", "--log-level"),
        ("CAMPAIGN_JSON", "perhaps", "--json"),
        ("CAMPAIGN_CONCURRENCY", "many", "--concurrency"),
        ("CAMPAIGN_LIMIT", "0", "--limit"),
        ("CAMPAIGN_ON_UNKNOWN", "x", "--on-unknown"),
        ("CAMPAIGN_HALT", "x", "--halt"),
        ("CAMPAIGN_NOTIFY_ON", "always", "--notify-on"),
        ("CAMPAIGN_NOTIFY", "json://ok not-an-address", "CAMPAIGN_NOTIFY"),
        ("CAMPAIGN_PROXY", "socks5://anna:secret@proxy.example", "--proxy"),
        ("CAMPAIGN_QUIET_PERIOD", "soon", "--quiet-period"),
    ],
)
def test_a_setting_that_can_not_be_is_told_by_its_names(
    variable: str, value: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"{variable}={value}\n", encoding="utf-8")
    with raises(UsageError, "bad_value", option=option) as in_file:
        Settings.read()
    (tmp_path / ".env").unlink()
    monkeypatch.setenv(variable, value)
    with raises(UsageError, "bad_value", option=option) as in_environment:
        Settings.read()
    assert str(in_file.value) == str(in_environment.value)
    assert variable in str(in_file.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("PASSENTRY_API_KEY=secret".encode("utf-16"))
    with raises(UsageError, "not_utf8") as caught:
        Settings.read()
    assert "secret" not in str(caught.value)


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CAMPAIGN_RATE=5\n", encoding="utf-8")
    # The tests may run as root, whom no permission keeps out: the system's own answer stands in.
    monkeypatch.setattr("builtins.open", refusing(open))
    with raises(UsageError, "unreadable_file"):
        Settings.read()


def refusing(really: Any) -> Any:
    def refuse(name: Any, *words: Any, **more: Any) -> Any:
        if str(name).endswith(".env"):
            raise PermissionError(13, "Permission denied")
        return really(name, *words, **more)

    return refuse


def test_a_line_that_means_nothing_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfCAMPAIGN_RATE=5\r\nPASSENTRY_API_KEY: secret\r\nOTHER_TOOL=1\r\nCAMPAIGN_LIMIT=3\r\n")
    settings = Settings.read()
    assert (settings.rate, settings.limit) == (5.0, 3)
    [told] = [record.getMessage() for record in caplog.records]
    assert ".env" in told
    assert "2" in told
    assert "secret" not in told


def test_a_rehearsal_heeds_neither_the_environment_nor_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CAMPAIGN_MESSAGE=Hello\nCAMPAIGN_LIMIT=3\n", encoding="utf-8")
    monkeypatch.setenv("PASSENTRY_API_URL", "https://real.example")
    monkeypatch.setenv("CAMPAIGN_ON_UNKNOWN", "hold")
    settings = IsolatedSettings.read(api_url="http://127.0.0.1:1", api_key="demo", rate=100.0, quiet_period="2s", ledger="here.db")
    assert (settings.api_url, settings.token(), settings.rate, settings.quiet_period) == ("http://127.0.0.1:1", "demo", 100.0, 2.0)
    assert (settings.message, settings.limit, settings.on_unknown, settings.ledger_to_name) == (None, None, OnUnknown.VERIFY, "here.db")


def test_only_a_ledger_given_as_a_flag_has_to_be_named_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_LEDGER", "mine.db")
    assert read().ledger_to_name == ""
    assert read("--ledger", "other.db").ledger_to_name == "other.db"


def test_a_command_line_holds_no_password_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with raises(UsageError, "password_in_an_option", option="--proxy") as refused:
        read("--proxy", "http://anna:S3cret@proxy.example:3128")
    assert "S3cret" not in str(refused.value)
    assert read("--proxy", "http://anna@proxy.example:3128").proxy == "http://anna@proxy.example:3128"
    # Neither does a job.
    with raises(UsageError, "password_in_an_option", option="--proxy"):
        Settings.read().overridden_by({"proxy": "http://anna:S3cret@proxy.example:3128"})
    monkeypatch.setenv("CAMPAIGN_PROXY", "http://anna:S3cret@proxy.example:3128")
    assert "S3cret" not in repr(Settings.read())


PATHS = {
    "ledger": "CAMPAIGN_LEDGER",
    "query": "CAMPAIGN_QUERY",
    "template": "CAMPAIGN_TEMPLATE",
    "templates": "CAMPAIGN_TEMPLATES",
    "results": "CAMPAIGN_RESULTS",
    "exclude": "CAMPAIGN_EXCLUDE",
    "log_file": "CAMPAIGN_LOG_FILE",
    "metrics_file": "CAMPAIGN_METRICS_FILE",
    "ca_file": "CAMPAIGN_CA_FILE",
    "api_key_file": "PASSENTRY_API_KEY_FILE",
}


class TestPaths:
    """A variable that nobody replaces would be a folder of that name, in whatever folder the command is started."""

    def test_every_path_setting_is_in_the_table(self) -> None:
        written = {name for name, field in Settings.model_fields.items() if "Path" in str(field.annotation)}
        assert written | {"ledger"} == set(PATHS)

    @pytest.mark.parametrize(
        "written", ["$HOME/a.csv", "${HOME}/a.csv", "lists/%USERPROFILE%/a.csv", "$(NAME).csv", "s3://shop/$HOME/a.csv"]
    )
    @pytest.mark.parametrize("name", PATHS)
    def test_a_variable_in_a_path_is_refused(self, name: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        variable = PATHS[name]
        monkeypatch.setenv(variable, written)
        with pytest.raises(UsageError, match=variable):
            Settings.read()
        monkeypatch.delenv(variable)
        with pytest.raises(UsageError, match=variable):
            Settings.read(**{name: [written] if name == "exclude" else written})
        # A shell's way of writing; the braces are replaced in this file.
        (tmp_path / ".env").write_text(f"{variable}=$HOME/a.csv\n", encoding="utf-8")
        with pytest.raises(UsageError, match=variable):
            Settings.read()

    @pytest.mark.parametrize("written", ['"/srv/it.db"', "'it.db'", "/srv/it.db\r", " /srv/it.db", "it.db\n"])
    def test_what_a_shell_would_have_taken_away_is_refused(self, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CAMPAIGN_LEDGER", written)
        with pytest.raises(UsageError, match="CAMPAIGN_LEDGER"):
            Settings.read()

    @pytest.mark.parametrize("name", sorted(set(PATHS) - {"ledger"}))
    def test_a_tilde_is_the_home_folder(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/anna")
        monkeypatch.setenv(PATHS[name], "~/a.csv")
        path = Path("/home/anna/a.csv")
        assert getattr(Settings.read(), name) == ((path,) if name == "exclude" else path)

    def test_a_tilde_is_the_home_folder_in_the_ledgers_path_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/anna")
        assert IsolatedSettings.read(ledger="~/it.db").ledger_path == Path("/home/anna/it.db")
        with pytest.raises(UsageError, match="--ledger"):
            IsolatedSettings.read(ledger="~nobody-of-that-name/it.db")

    @pytest.mark.parametrize("name", ["prices in $USD.csv", "100%_off%.csv", "~$promo.csv"])
    def test_a_file_that_is_there_may_have_any_name(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).touch()
        assert IsolatedSettings.read(exclude=[name]).exclude == (Path(name),)
        assert IsolatedSettings.read(template=Path(name)).template == Path(name)

    def test_a_variable_of_the_file_that_is_set_nowhere_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".env").write_text("BASE=/srv\nCAMPAIGN_LEDGER=${BASE}/it.db\nCAMPAIGN_NAME=${NOT_SET:-promo}\n", encoding="utf-8")
        settings = Settings.read()
        assert (settings.ledger_path, settings.name) == (Path("/srv/it.db"), "promo")
        (tmp_path / ".env").write_text("CAMPAIGN_RATE=5\nCAMPAIGN_LEDGER=${BASE}/it.db\nBASE=/srv\n", encoding="utf-8")
        with raises(UsageError, "variable_not_set", line=2, variable="BASE"):
            Settings.read()
        monkeypatch.setenv("BASE", "/var")
        assert Settings.read().ledger_path == Path("/var/it.db")

    @pytest.mark.parametrize(
        ("data", "home", "folder"),
        [
            ("/data", "rel", "/data/campaign"),
            (None, "/home/anna", "/home/anna/.local/share/campaign"),
            ("", "/home/anna", "/home/anna/.local/share/campaign"),
            ("$HOME/data", "/home/anna", None),
            ("data", "/home/anna", None),
            (None, "$HOME", None),
        ],
    )
    def test_the_data_folder_is_the_same_from_everywhere(
        self, data: str | None, home: str, folder: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", home)
        monkeypatch.delenv("XDG_DATA_HOME") if data is None else monkeypatch.setenv("XDG_DATA_HOME", data)
        settings = IsolatedSettings.read()
        if folder is not None:
            assert settings.ledger_path == Path(folder) / "campaign.db"
            return
        with pytest.raises(UsageError, match="CAMPAIGN_LEDGER"):
            _ = settings.ledger_path


class TestLedger:
    """Each machine would have a file of its own for what was meant to be shared, and everybody would be told by each."""

    @pytest.mark.parametrize(
        "scheme", ["Postgresql://", "postgressql://", "postgresql+psycopg://", "pgsql://", "mysql://", "s3://", "file:///", "postgresql:/"]
    )
    def test_an_address_of_another_kind_is_no_file(self, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        monkeypatch.setenv("CAMPAIGN_LEDGER", f"{scheme}anna:S3cret@db.example/campaigns")
        with raises(UsageError, "bad_value", option="--ledger") as refused:
            Settings.read()
        assert scheme.split("/", maxsplit=1)[0] in str(refused.value)
        assert "S3cret" not in str(refused.value)
        with raises(UsageError, "bad_value", option="--ledger"):
            IsolatedSettings.read(ledger=f"{scheme}db.example/campaigns")

    @pytest.mark.parametrize("written", ["postgresql://db.example/campaigns\n", "  postgres://db.example/campaigns", "\tpostgresql://\r\n"])
    def test_what_a_file_of_secrets_puts_around_its_url_is_left_out(self, written: str) -> None:
        assert IsolatedSettings.read(ledger=written).ledger_url == written.strip()

    @pytest.mark.parametrize(
        "path", ["campaign.db", "/var/lib/campaign/it.db", "~/a b.db", r"C:\campaign\it.db", "C:/it.db", "it:2.db", "a:b/c.db"]
    )
    def test_a_path_is_left_as_it_is(self, path: str) -> None:
        settings = IsolatedSettings.read(ledger=path)
        assert (settings.ledger, settings.ledger_url) == (path, "")


def test_usual_ledgers_are_of_the_user_and_of_who_used_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    [own] = Settings.read(ledger="a.db").usual_ledgers()
    assert own.is_relative_to(tmp_path)
    monkeypatch.setenv("SUDO_USER", "root")
    assert list(Settings.read().usual_ledgers()) == [own, Path("~root").expanduser() / own.relative_to(tmp_path)]
    monkeypatch.setenv("SUDO_USER", "nobody-of-this-name")
    assert list(Settings.read().usual_ledgers()) == [own]
    monkeypatch.setenv("HOME", "relative")
    assert list(Settings.read().usual_ledgers()) == []


@pytest.mark.parametrize(("words", "found"), [({}, 9.0), ({"via": "batch"}, 4500.0), ({"via": "batch", "rate": "unlimited"}, None)])
def test_a_batch_has_many_messages_in_each_call(words: dict[str, str], found: float | None) -> None:
    assert Settings.read(**words).messages_per_second == found
