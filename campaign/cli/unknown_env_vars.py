"""Finds variables that look like settings but are not, such as a misspelled name."""

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from campaign.console.console_settings import PREFIX as CONSOLE
from campaign.console.console_settings import ConsoleSettings
from campaign.settings import DOTENV, ONLY_FLAGS, Settings, variable_of

_PREFIX: Final = "CAMPAIGN_"
_OF_KUBERNETES: Final = re.compile(r"CAMPAIGN_(?:CONSOLE_)?(?:SERVICE|PORT)(?:_.*)?")
"""The variables that Kubernetes sets in every container beside a service named “campaign” or “campaign-console”."""


def unknown_env_vars() -> Iterator[str]:
    """A sentence for each such variable of the environment and of `.env`, with the name that may be meant."""
    known = {variable_of(name, default=f"{_PREFIX}{name.upper()}") for name in Settings.model_fields if name not in ONLY_FLAGS} | {
        f"{CONSOLE}{name.upper()}" for name in (*ConsoleSettings.model_fields, "password")
    }
    found = dict.fromkeys(os.environ, "the environment") | dict.fromkeys(_in_dotenv(), DOTENV)
    for name, place in sorted(found.items()):
        if name.upper().startswith(_PREFIX) and name.upper() not in known and not _OF_KUBERNETES.fullmatch(name.upper()):
            yield f"Unknown setting {name} in {place} ignored. {_hint(name.upper(), known)}"


def _hint(name: str, known: set[str]) -> str:
    if (field := name.removeprefix(_PREFIX).lower()) in ONLY_FLAGS:
        return f"Use the flag --{field.replace('_', '-')} instead."
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"Did you mean {near[0]}?" if near else "campaign run --help lists them."


def _in_dotenv() -> Iterator[str]:
    try:
        with Path(DOTENV).open(encoding="utf-8-sig") as file:
            yield from [binding.key for binding in parse_stream(file) if binding.key]
    except (OSError, UnicodeDecodeError):
        # If it can't be read, `Settings.read` reports that.
        return
