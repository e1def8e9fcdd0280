"""A setting is a key of jobs as soon as it is one: what it takes is read off its type."""

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, Field

from campaign.app.jobs.schema import keys_of
from campaign.domain.errors import BadValueError
from campaign.domain.failure_guard import Halt
from campaign.domain.schedule import Window, parse_window


class Later(BaseModel, arbitrary_types_allowed=True):
    """Settings of every form that there is, or may come."""

    window: Annotated[Window | None, BeforeValidator(parse_window)] = None
    not_after: str | None = None
    start_at: datetime | None = None
    no_wait: bool = False
    daily_cap: int = Field(default=3, ge=0)
    sample: int | None = None
    exclude: tuple[Path, ...] = ()
    metrics_file: Path | None = None
    halt: Halt = Halt()
    rate: float | None = 9.0
    notify: tuple[str, ...] = ()
    notify_on: tuple[str, ...] | None = None
    json_output: bool = Field(default=False, validation_alias="CAMPAIGN_JSON")
    api_key: str = ""


KEYS = {key.name: key for key in keys_of(Later.model_fields)}


def test_each_is_a_key_under_its_own_name_and_notices_are_a_table() -> None:
    settings = [name for name in Later.model_fields if name not in {"notify", "notify_on", "json_output", "api_key"}]
    assert set(KEYS) == {*settings, "notify.urls", "notify.on", "json"}
    assert {name for name, key in KEYS.items() if key.is_path} == {"exclude", "metrics_file"}
    assert {name for name, key in KEYS.items() if key.many} == {"exclude", "notify.urls", "notify.on"}


@pytest.mark.parametrize(
    ("key", "value", "taken"),
    [
        ("window", "09:00-20:00", "09:00-20:00"),
        ("not_after", datetime(2026, 12, 24, 18, 0), "2026-12-24T18:00:00"),  # noqa: DTZ001 - TOML's local time
        ("not_after", date(2026, 12, 24), "2026-12-24"),
        ("not_after", time(18, 0), "18:00"),
        ("not_after", time(18, 0, 1), "18:00:01"),
        ("start_at", time(8, 30), "08:30"),
        ("start_at", "18:00", "18:00"),
        ("no_wait", True, True),
        ("daily_cap", 0, 0),
        ("sample", 5, 5),
        ("exclude", "a.csv", ("a.csv",)),
        ("exclude", ["a.csv", "b.csv"], ("a.csv", "b.csv")),
        ("exclude", [], ()),
        ("metrics_file", "a.prom", "a.prom"),
        ("halt", 5, "5"),
        ("rate", 2.5, "2.5"),
        ("notify.urls", ["mailto://a"], ("mailto://a",)),
        ("notify.on", "end", ("end",)),
        ("json", False, False),
    ],
)
def test_a_value_is_taken_as_the_environment_would_give_it(key: str, value: object, taken: Any) -> None:
    found = KEYS[key].taken(value)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("no_wait", "true"),
        ("no_wait", 1),
        ("daily_cap", "3"),
        ("daily_cap", 3.0),
        ("daily_cap", True),
        ("not_after", 18),
        ("exclude", [1]),
        ("exclude", [["a"]]),
        ("exclude", {}),
        ("halt", True),
        ("halt", ["5"]),
        ("window", {"opens": "09:00"}),
    ],
)
def test_a_value_of_another_kind_is_refused(key: str, value: object) -> None:
    taken: Callable[[object], Any] = KEYS[key].taken
    with pytest.raises(BadValueError) as caught:
        taken(value)
    assert caught.value.code == "wrong_type"
