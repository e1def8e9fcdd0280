"""The settings: from flags, then `CAMPAIGN_*`, then `.env`, then a job, then the defaults. The environment is read once, in `read`."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from dotenv.parser import parse_stream
from dotenv.variables import Variable, parse_variables
from platformdirs import user_data_path
from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from campaign.domain.batches import MOST_RECIPIENTS
from campaign.domain.errors import BadValueError, UsageError
from campaign.domain.failure_guard import Halt
from campaign.domain.lists.query import POSTGRES, has_password
from campaign.domain.notices import Occasion
from campaign.sender.api.api_url import check_token
from campaign.sender.api.network import Proxy
from campaign.sender.attempt import OnUnknown
from campaign.sender.batches.wire import USUAL
from campaign.setting_types import (
    UNLIMITED,
    Addresses,
    BatchShape,
    BudgetName,
    Duration,
    File,
    Files,
    HaltLimit,
    LedgerPlace,
    LocalPath,
    LogLevel,
    Occasions,
    Persisted,
    ProxyUrl,
    Rate,
    WindowOfDay,
    Wizard,
)

DEFAULT_URL: Final = "https://api.passentry.com"
DOTENV: Final = ".env"
_READ_BY_ALL: Final = (
    "there is a password in it, and everyone on the machine can read a command line, as everyone who has a job's file can read that."
)
NO_PASSWORDS: Final = f"--ledger: {_READ_BY_ALL} Put the whole URL into CAMPAIGN_LEDGER, or only the password into PGPASSWORD or ~/.pgpass."
NO_PROXY_PASSWORDS: Final = f"--proxy: {_READ_BY_ALL} Put the whole URL into CAMPAIGN_PROXY, or into HTTPS_PROXY."
_OURS: Final = re.compile(r"CAMPAIGN_|PASSENTRY_", re.IGNORECASE)
NOT_FLAGS: Final = frozenset({"notify", "api_key", "api_key_file", "api_url", "batch_shape"})
"""Settings with secrets or of their files, as everyone on the machine can read a command line; and those that describe the API."""
ONLY_FLAGS: Final = frozenset({"moved_here"})
"""Settings for one run: a variable in a crontab or a profile would apply to every later run, too."""


class Engine(StrEnum):
    """Where rows are sent from: this process, or the processes of a Ray cluster."""

    HERE = "here"
    RAY = "ray"


class Via(StrEnum):
    """How rows are sent: one by one in single requests, or many in one of the vendor's batches."""

    SINGLE = "single"
    BATCH = "batch"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CAMPAIGN_",
        env_file=DOTENV,
        env_file_encoding="utf-8-sig",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    # The wizard shows its settings in this order.
    ledger: LedgerPlace = Field(default="", repr=False)
    name: str | None = None
    message: str | None = None
    template: LocalPath = None
    templates: LocalPath = None
    id_column: str | None = None
    query: LocalPath = None
    header_row: int | None = Field(default=None, ge=1, le=1_048_576)
    results: File = None
    max_length: int = Field(default=350, ge=1, le=5000)
    window: Annotated[WindowOfDay, Persisted, Wizard.WHEN] = None
    time_zone: Annotated[str | None, Persisted, Wizard.WHEN] = None
    start_at: Annotated[str | None, Persisted, Wizard.WHEN] = None
    not_after: Annotated[str | None, Persisted, Wizard.WHEN] = None
    no_wait: bool = False
    exclude: Files = ()
    rate: Annotated[Rate, Wizard.SAFEGUARDS] = 9.0
    canary: Annotated[int | None, Wizard.SAFEGUARDS] = Field(default=None, ge=1)
    daily_cap: Annotated[int, Persisted, Wizard.SAFEGUARDS] = Field(default=3, ge=0, le=1000)
    limit: Annotated[int | None, Wizard.SAFEGUARDS] = Field(default=None, ge=1)
    only_reachable: Annotated[bool, Persisted, Wizard.SAFEGUARDS] = False
    sample: Annotated[int | None, Wizard.ADVANCED] = Field(default=None, ge=1)
    seed: int = 0
    halt: Annotated[HaltLimit, Persisted, Wizard.ADVANCED] = Halt()
    on_unknown: Annotated[OnUnknown, Persisted, Wizard.ADVANCED] = OnUnknown.VERIFY
    quiet_period: Annotated[Duration, Persisted] = 10.0
    lock_screen: Annotated[int, Wizard.ADVANCED] = Field(default=140, ge=1, le=5000)
    via: Annotated[Via, Persisted, Wizard.ADVANCED] = Via.SINGLE
    entity: Annotated[str | None, Persisted, Wizard.ADVANCED] = Field(default=None, max_length=200)
    baseline: Annotated[bool, Persisted, Wizard.ADVANCED] = False
    batch_shape: BatchShape = USUAL
    concurrency: int | None = Field(default=None, ge=1, le=4096)
    max_attempts: int = Field(default=5, ge=1, le=100)
    timeout: Duration = 30.0
    budget: Annotated[BudgetName, Persisted] = ""
    proxy: ProxyUrl = Field(default="", repr=False)
    ca_file: LocalPath = None
    engine: Engine = Engine.HERE
    address: str | None = None
    workers: int = Field(default=4, ge=1, le=1000)
    dry_run: bool = False
    yes: bool = False
    moved_here: bool = False
    json_output: bool = Field(default=False, validation_alias="CAMPAIGN_JSON")
    log_level: LogLevel = None
    log_file: LocalPath = None
    metrics_file: LocalPath = None
    notify: Addresses = ()
    notify_on: Occasions = frozenset(Occasion)
    api_url: str = Field(default=DEFAULT_URL, validation_alias="PASSENTRY_API_URL")
    api_key: SecretStr = Field(default=SecretStr(""), validation_alias="PASSENTRY_API_KEY")
    api_key_file: LocalPath = Field(default=None, validation_alias="PASSENTRY_API_KEY_FILE")

    _ledger_flag: str = PrivateAttr("")
    _token_is_an_argument: bool = PrivateAttr(default=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes them all by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - (same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # A source looks at every field even if it has no value, and there is seldom a .env.
        empty = isinstance(dotenv_settings, EnvSettingsSource) and not dotenv_settings.env_vars
        return (init_settings, env_settings) if empty else (init_settings, env_settings, dotenv_settings)

    @classmethod
    def read(cls, **flags: Any) -> Self:
        """Read the settings; flags that are not None count before the environment.

        Raises:
            UsageError: one of them is not valid, or `.env` can't be read; names it and says why.
        """
        given = dict.fromkeys(ONLY_FLAGS, False) | {name: value for name, value in flags.items() if value is not None}
        try:
            settings = cls(**{variable_of(name, default=name): value for name, value in given.items()})
        except ValidationError as error:
            raise _refused(error) from None
        except OSError as error:
            raise UsageError(
                f"{DOTENV} in this folder can't be read: {os.strerror(error.errno or 0)}. Make it readable.", code="unreadable_file"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{DOTENV} in this folder is not text in UTF-8. Save it as UTF-8.", code="not_utf8") from error
        if cls is Settings:
            _check_variables_of_dotenv()
        settings._ledger_flag = flags.get("ledger") or ""
        settings._token_is_an_argument = flags.get("api_key") is not None
        if has_password(settings._ledger_flag):
            raise UsageError(NO_PASSWORDS, code="password_in_an_option", option="--ledger")
        if given.get("proxy") and Proxy.parse(settings.proxy).password:
            raise UsageError(NO_PROXY_PASSWORDS, code="password_in_an_option", option="--proxy")
        return settings

    def as_text(self, name: str) -> str:
        """A setting in the form that it has in the environment."""
        value = getattr(self, name)
        if value is None:
            return UNLIMITED if name == "rate" else ""
        return f"{value}s" if name == "quiet_period" else str(value)

    def with_fallback(self, kept: dict[str, str]) -> Self:
        """These settings; those that were not given come from `kept`, as text."""
        return self.overridden_by({name: text for name, text in kept.items() if text and name in type(self).model_fields})

    def overridden_by(self, job: Mapping[str, Any]) -> Self:
        """These settings; those that were not given come from `job`, by field.

        Raises:
            UsageError: one of the job's values is not valid.
        """
        given = IsolatedSettings.read(**job)
        added = {name: getattr(given, name) for name in job if name not in self.model_fields_set}
        settings = self.model_copy(update=added)
        if "ledger" in added:
            settings._ledger_flag = given.ledger  # noqa: SLF001 - its own
        return settings

    @property
    def messages_per_second(self) -> float | None:
        """How many messages per second the rate allows at most; None is no limit. In batches each call has many."""
        many = MOST_RECIPIENTS if self.via is Via.BATCH else 1
        return None if self.rate is None else self.rate * many

    @property
    def ledger_to_name(self) -> str:
        """The value of `--ledger` for a command about the same ledger; empty if the environment or the default names it."""
        return self._ledger_flag

    @property
    def ledger_url(self) -> str:
        """The URL of the ledger, which may hold a password; empty if the ledger is a file."""
        return self.ledger if self.ledger.startswith(POSTGRES) else ""

    @property
    def ledger_path(self) -> Path:
        """The path of a ledger in a file; raises as `_data_folder` does."""
        return Path(self.ledger).expanduser() if self.ledger else _data_folder() / "campaign.db"

    @property
    def public_ledger(self) -> str:
        """The absolute path of the ledger, which everybody may see; empty if its URL may hold a password.

        The URL may only be passed on in the environment.
        """
        return "" if self.ledger_url else str(self.ledger_path.absolute())

    @property
    def ledger_is_a_file(self) -> bool:
        """Whether the ledger is a file, which only this machine can use."""
        return not self.ledger_url

    @property
    def ledger_folder(self) -> Path:
        """The folder for other files that belong to the ledger: that of the ledger's file, or the user's data folder."""
        return _data_folder() if self.ledger_url else self.ledger_path.parent

    def usual_ledgers(self) -> Iterator[Path]:
        """The default ledgers of this user and, under sudo, of the user who called it."""
        with suppress(UsageError, RuntimeError, ValueError):
            usual = _data_folder() / "campaign.db"
            yield usual
            if user := os.environ.get("SUDO_USER"):
                yield Path(f"~{user}").expanduser() / usual.relative_to(Path.home())

    @property
    def open_token_file(self) -> Path | None:
        """The token's file, if this user owns it and others may read it; else None."""
        if self.api_key.get_secret_value().strip() or self.api_key_file is None or not hasattr(os, "getuid"):
            return None
        try:
            found = self.api_key_file.stat()
        except OSError:
            return None
        return self.api_key_file if found.st_uid == os.getuid() and found.st_mode & 0o077 else None

    def token(self) -> str:
        """The API's token.

        Raises:
            UsageError: there is none, or it can't be one; says where to put it, or where it came from.
        """
        token = self.api_key.get_secret_value().strip()
        option = "--token" if self._token_is_an_argument else "PASSENTRY_API_KEY"
        source = option
        if not token and self.api_key_file is not None:
            source, option = f"{self.api_key_file} (PASSENTRY_API_KEY_FILE)", "PASSENTRY_API_KEY_FILE"
            try:
                token = self.api_key_file.read_text(encoding="utf-8-sig", errors="replace").strip()
            except OSError as error:
                raise UsageError(
                    f"The token can't be read from {self.api_key_file}: {os.strerror(error.errno or 0)}.", code="unreadable_file"
                ) from error
        if not token:
            raise UsageError(
                "There is no token. Put it into PASSENTRY_API_KEY, or its file's name into PASSENTRY_API_KEY_FILE.", code="no_token"
            )
        return check_token(token, source=source, option=option)


class IsolatedSettings(Settings):
    """Settings from given values only, without the environment and `.env`."""

    # Built only when needed, as most commands have no job.
    model_config = SettingsConfigDict(defer_build=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes them all by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - (same)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - (same)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - (same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def usual_ledgers(self) -> Iterator[Path]:
        """None, as they are named by the environment."""
        return iter(())


def marked(mark: object) -> tuple[str, ...]:
    """The settings whose types have a mark such as `Persisted`, in order."""
    return tuple(name for name, field in Settings.model_fields.items() if mark in field.metadata)


def problems_of(values: Mapping[str, Any]) -> dict[str, BadValueError]:
    """The errors in values of settings, by field; the environment does not matter."""
    try:
        IsolatedSettings(**{variable_of(name, default=name): value for name, value in values.items()})
    except ValidationError as error:
        return {_field(str(found["loc"][0])) if found["loc"] else "": _problem(found) for found in reversed(error.errors())}
    return {}


def _data_folder() -> Path:
    """The user's data folder, by XDG_DATA_HOME or HOME.

    Raises:
        UsageError: the variable that counts is not an absolute path.
    """
    variable = "XDG_DATA_HOME" if os.environ.get("XDG_DATA_HOME") else "HOME"
    with suppress(RuntimeError):
        # The library ignores a relative path and uses another folder than the one that was meant.
        if Path(os.environ.get(variable) or Path.cwd()).is_absolute():
            return user_data_path("campaign", appauthor=False)
    raise UsageError(
        f"{variable} is not the whole path of a folder, so there is no data folder to keep campaigns in. Correct it, or name the ledger's "
        "file with --ledger or CAMPAIGN_LEDGER.",
        code="no_home",
        option=variable,
    )


def _check_variables_of_dotenv() -> None:
    """Check that `.env` uses no variable that is not set: an empty text would replace it, and change a path.

    Raises:
        UsageError: it uses one.
    """
    if not Path(DOTENV).is_file():
        return
    known = set(os.environ)
    with Path(DOTENV).open(encoding="utf-8-sig") as file:
        for binding in parse_stream(file):
            for part in parse_variables(binding.value or "") if _OURS.match(binding.key or "") else ():
                if isinstance(part, Variable) and part.default is None and part.name not in known:
                    raise UsageError(
                        f"{DOTENV}, line {binding.original.line}: {part.name} is set nowhere. Set it, or write its value.",
                        code="variable_not_set",
                        line=binding.original.line,
                        variable=part.name,
                    )
            known.add(binding.key or "")


def variable_of(field: str, *, default: str) -> str:
    """The variable of a field with a special one, else `default`; a flag needs the same key to count before it."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else default


def _field(place: str) -> str:
    """The field of an error. pydantic names a field with a special variable by that variable."""
    return next((name for name in Settings.model_fields if place in {name, variable_of(name, default=name)}), place)


def _problem(found: ErrorDetails) -> BadValueError:
    if isinstance(ours := found.get("ctx", {}).get("error"), ValueError):
        return BadValueError.of(ours)
    # pydantic's own messages begin with "Input should be".
    return BadValueError(found["msg"].split(", unable")[0].replace("Input should", "this should"))


def _refused(error: ValidationError) -> UsageError:
    first = error.errors(include_url=False)[0]
    variable = variable_of(field := _field(str(first["loc"][0])), default=f"CAMPAIGN_{field.upper()}")
    flag = variable.removeprefix("CAMPAIGN_").lower().replace("_", "-")
    is_flag = field not in NOT_FLAGS
    problem = _problem(first)
    setting = f"--{flag} (or {variable})" if is_flag else variable
    return UsageError(f"{setting}: {problem}.", code=problem.code, option=f"--{flag}" if is_flag else variable)


class _Lines(logging.Filter):
    """Rewords the warning about a line of `.env` that can't be parsed."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "could not parse" in record.msg:
            record.msg = f"{DOTENV}, line %s, is left out: it is not of the form NAME=value."
        return True


logging.getLogger("dotenv.main").addFilter(_Lines())
