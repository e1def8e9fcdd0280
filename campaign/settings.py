"""What a run may be told: flags, then `CAMPAIGN_*`, then `.env`, then the defaults here; the environment is read once, in `read`."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Final, Self

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from campaign.domain.durations import parse_duration
from campaign.domain.errors import UsageError
from campaign.domain.safeguard import Halt, parse_halt
from campaign.sender.attempt import OnUnknown

DEFAULT_URL: Final = "https://api.passentry.com"
UNLIMITED: Final = "unlimited"


def _rate(value: object) -> float | None:
    """Sends per second; `unlimited` is None."""
    if value is None or value == UNLIMITED:
        return None
    number = float(str(value))
    if not 0 < number < math.inf:
        raise ValueError("write a number of sends per second above 0, such as 9")
    return number


Duration = Annotated[float, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)]
Rate = Annotated[float | None, BeforeValidator(_rate)]
HaltLimit = Annotated[Halt, BeforeValidator(lambda value: parse_halt(value) if isinstance(value, str) else value)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CAMPAIGN_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    ledger: str = ""
    name: str | None = None
    message: str | None = None
    template: Path | None = None
    templates: Path | None = None
    id_column: str | None = None
    results: Path | None = None
    rate: Rate = 9.0
    concurrency: int | None = Field(default=None, ge=1, le=4096)
    max_attempts: int = Field(default=5, ge=1, le=100)
    max_length: int = Field(default=350, ge=1, le=5000)
    limit: int | None = Field(default=None, ge=1)
    halt: HaltLimit = Halt()
    on_unknown: OnUnknown = OnUnknown.VERIFY
    quiet_period: Duration = 10.0
    timeout: Duration = 30.0
    dry_run: bool = False
    yes: bool = False
    json_output: bool = Field(default=False, validation_alias="CAMPAIGN_JSON")
    log_level: str = "info"
    api_url: str = Field(default=DEFAULT_URL, validation_alias="PASSENTRY_API_URL")
    api_key: SecretStr = Field(default=SecretStr(""), validation_alias="PASSENTRY_API_KEY")
    api_key_file: Path | None = Field(default=None, validation_alias="PASSENTRY_API_KEY_FILE")

    @classmethod
    def read(cls, **flags: Any) -> Self:
        """The settings, with the flags that were given on top.

        Raises:
            UsageError: one of them can't be; names it and says why.
        """
        try:
            given = {name: value for name, value in flags.items() if value is not None}
            settings = cls(**given)
            # A flag under its field's name beats the environment, which pydantic knows only by the alias.
            return settings.model_copy(update={"json_output": True}) if given.get("json_output") else settings
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).removeprefix("CAMPAIGN_").lower().replace("_", "-")
            raise UsageError(
                f"--{name} (or CAMPAIGN_{name.upper().replace('-', '_')}): {first['msg'].removeprefix('Value error, ')}."
            ) from None

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is."""
        if self.ledger.startswith(("postgresql://", "postgres://")):
            raise UsageError("A ledger on PostgreSQL is not available in this version. Give --ledger a path.")
        return Path(self.ledger).expanduser() if self.ledger else user_data_path("campaign", appauthor=False) / "campaign.db"

    def token(self) -> str:
        """The API's token.

        Raises:
            UsageError: there is none; says where to put it.
        """
        token = self.api_key.get_secret_value().strip()
        if not token and self.api_key_file is not None:
            try:
                token = self.api_key_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise UsageError(f"The token can't be read from {self.api_key_file}: {os.strerror(error.errno or 0)}.") from error
        if not token:
            raise UsageError("There is no token. Put it into PASSENTRY_API_KEY, or its file's name into PASSENTRY_API_KEY_FILE.")
        return token
