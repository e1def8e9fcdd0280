"""How a draft is to be sent: the fields of its form, and what is wrong with what somebody wrote there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaign.app.controls import home_zone
from campaign.domain.errors import UsageError
from campaign.domain.schedule import parse_moment, zone
from campaign.settings import Settings, problems_of

TEXTS: Final = ("rate", "time_zone", "start_at", "not_after", "daily_cap", "canary", "sample", "limit", "halt", "on_unknown", "lock_screen")
WINDOW: Final = ("opens", "closes")
NAME_CHARACTERS: Final = 100
_MOST: Final = 200


def fields_of(controls: Mapping[str, str]) -> dict[str, str]:
    """What the form shows for these settings."""
    opens, _, closes = controls.get("window", "").partition("-")
    return {name: controls.get(name, "") for name in (*TEXTS, "baseline")} | {"opens": opens, "closes": closes}


def controls_of(form: Mapping[str, str]) -> dict[str, str]:
    """The settings that a form says, as text, without those that are left empty."""
    controls = {name: form[name].strip()[:_MOST] for name in TEXTS if form.get(name, "").strip()}
    opens, closes = (form.get(name, "").strip()[:_MOST] for name in WINDOW)
    if opens or closes:
        controls["window"] = f"{opens}-{closes}"
    if form.get("baseline"):
        controls["baseline"] = "true"
    return controls


def problems_with(controls: Mapping[str, str], settings: Settings, *, now: datetime) -> dict[str, str]:
    """What can't be about these settings: sentences, by field of the form."""
    problems = {("opens" if name == "window" else name): _sentence(str(problem)) for name, problem in problems_of(controls).items()}
    home = _home(controls, settings, problems)
    moments = {
        name: moment
        for name in ("start_at", "not_after")
        if controls.get(name) and (moment := _moment(name, controls[name], home, now, problems)) is not None
    }
    end = moments.get("not_after")
    if end is not None and end <= now:
        problems["not_after"] = "That is over: nothing would be sent. Write a moment that is to come."
    elif end is not None and "start_at" in moments and moments["start_at"] >= end:
        problems["not_after"] = "That is before the start: nothing would be sent. Write a later moment."
    return problems


def problem_with_name(name: str) -> str:
    """What can't be about a campaign's name; empty if it can."""
    if not name:
        return "Give the campaign a name."
    if len(name) > NAME_CHARACTERS:
        return f"The name has {len(name)} characters; at most {NAME_CHARACTERS} are allowed. Write a shorter one."
    if not name.isprintable() or set(name) & set('/\\"?#%') or name.strip(".") == "":
        return "A name can't have / \\ \" ? # % or line breaks in it, nor only dots. Write it with letters, digits and blanks."
    return ""


def name_from(file: str) -> str:
    """A campaign's name for a list of this name: always a good one."""
    stem = file.split(".", maxsplit=1)[0]
    clean = " ".join("".join(character if character.isalnum() or character in "-_ ()&+,'" else " " for character in stem).split())
    return clean[:NAME_CHARACTERS].strip() or "campaign"


def _home(controls: Mapping[str, str], settings: Settings, problems: dict[str, str]) -> ZoneInfo:
    if "time_zone" in controls:
        try:
            return zone(controls["time_zone"])
        except ValueError as error:
            problems["time_zone"] = _sentence(str(error))
    try:
        return home_zone(settings)
    except UsageError:
        return ZoneInfo("UTC")


def _moment(name: str, text: str, home: ZoneInfo, now: datetime, problems: dict[str, str]) -> datetime | None:
    try:
        return parse_moment(text, in_zone=home, now=now)
    except (ValueError, OverflowError) as error:
        problems[name] = _sentence(str(error))
        return None


def _sentence(problem: str) -> str:
    return f"{problem[:1].upper()}{problem[1:]}."
