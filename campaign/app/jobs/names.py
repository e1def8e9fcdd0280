"""Placeholders in the names and paths of a job, `{date}`, `{week}` and `{list}`, and its relative paths."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from string import Formatter
from typing import Final

from campaign.domain.errors import BadValueError

DATE: Final = "date"
WEEK: Final = "week"
LIST: Final = "list"
OF_THE_DAY: Final = (DATE, WEEK)
ALL: Final = (DATE, WEEK, LIST)


def used_in(text: str, known: Sequence[str] = ALL) -> list[str]:
    """The placeholders of a text. Raises BadValueError if one is unknown, or a brace is not closed."""
    try:
        fields = [(name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None]
    except ValueError:
        raise BadValueError(f"“{text}” has a single brace; write {{{{ or }}}} for a brace itself", code="single_brace") from None
    for name, form, conversion in fields:
        if name not in known or form or conversion:
            near = get_close_matches(name.lower(), known, n=1)
            meant = f"{{{near[0]}}}" if near else ""
            listed = " and ".join(f"{{{one}}}" for one in known)
            hint = f"did you mean {meant}?" if meant else f"there {'are' if len(known) > 1 else 'is'} {listed}"
            raise BadValueError(f"there is no placeholder {{{name}}} here; {hint}", code="unknown_placeholder", suggestion=meant)
    return [name for name, _, _ in fields]


def of_the_day(now: datetime) -> dict[str, str]:
    """The values of `{date}` and `{week}`; `now` is in the job's time zone. The week and its year are those of ISO 8601."""
    year, week, _ = now.isocalendar()
    return {DATE: now.date().isoformat(), WEEK: f"{year}-W{week:02}"}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders replaced."""
    return "".join(before + (values[name] if name is not None else "") for before, name, _, _ in Formatter().parse(text))


def under(folder: Path, text: str) -> Path:
    """A path of a job file, which is relative to the folder of the file; a leading `~` is the home folder."""
    return Path(os.path.normpath(folder / at_home(text)))


def at_home(text: str) -> str:
    return os.path.expanduser(text)  # noqa: PTH111 - pathlib's raises where there is no such user
