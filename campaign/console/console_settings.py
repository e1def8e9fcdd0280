"""The settings of `campaign serve`: flags, then `CAMPAIGN_CONSOLE_*`, then `.env`, then the defaults."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from campaign.domain.errors import UsageError
from campaign.setting_types import LocalPath
from campaign.settings import DOTENV, Settings

PREFIX: Final = "CAMPAIGN_CONSOLE_"
PORT: Final = 8321
_UNITS: Final = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SIZE: Final = re.compile(r"(\d{1,12})\s*([KMG]?B?)", re.IGNORECASE | re.ASCII)


def _size(written: Any) -> Any:
    if not isinstance(written, str):
        return written
    found = _SIZE.fullmatch(written.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"“{written}” is not a size; write one such as 500MB or 1GB")
    unit = found[2].upper()
    return int(found[1]) * _UNITS[unit if unit in _UNITS else f"{unit}B"]


def _port(written: Any) -> Any:
    # Kubernetes sets this variable in every container beside a service named “campaign-console”.
    return PORT if isinstance(written, str) and written.startswith("tcp://") else written


class ConsoleSettings(BaseSettings):
    """`most_upload` is in bytes; with more than `require_approval` recipients, a second person has to approve."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=DOTENV,
        env_file_encoding="utf-8-sig",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        # Every command knows the names of these settings; only the console reads them.
        defer_build=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, BeforeValidator(_port), Field(ge=0, le=65535)] = PORT
    folder: LocalPath = None
    require_approval: int | None = Field(default=None, ge=0)
    tls_cert: LocalPath = None
    tls_key: LocalPath = None
    behind_proxy: bool = False
    most_upload: Annotated[int, BeforeValidator(_size), Field(ge=1)] = 1 << 30

    @classmethod
    def read(cls, **flags: Any) -> Self:
        """The settings, with the given flags (not None) on top.

        Raises:
            UsageError: a value is not valid. The text names the flag, and says why.
        """
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = str(first["loc"][0]).lower()
            problem = first["msg"].removeprefix("Value error, ").split(", unable")[0].replace("Input should", "this should")
            raise UsageError(
                f"--{field.replace('_', '-')} (or {PREFIX}{field.upper()}): {problem}.",
                code="bad_value",
                option=f"--{field.replace('_', '-')}",
            ) from None

    def folder_beside(self, settings: Settings) -> Path:
        """The console's folder: by default beside the ledger."""
        return self.folder if self.folder is not None else settings.ledger_folder / "console"
