"""The figures as JSON, written and read: what was measured on a quiet machine becomes a table later, unmeasured."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.figures import Bound, Figure, Floor, Group, Side
from tests.bench.machine import Machine


def as_json(machine: Machine, groups: Sequence[Group], *, short: bool) -> str:
    """An object of `machine`, `short` and `groups`; each figure with its `ratio` and `missed_by` worked out."""
    document = {"machine": asdict(machine), "short": short, "groups": [_group(group) for group in groups]}
    return json.dumps(document, indent=2, ensure_ascii=False, default=lambda value: value.value) + "\n"


def _group(group: Group) -> dict[str, Any]:
    derived = [{"ratio": figure.ratio, "missed_by": figure.missed_by, "fallen": figure.fallen} for figure in group.figures]
    return asdict(group) | {"figures": [asdict(figure) | more for figure, more in zip(group.figures, derived, strict=True)]}


def write(path: Path, machine: Machine, groups: Sequence[Group], *, short: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(machine, groups, short=short), encoding="utf-8")


def read(path: Path) -> tuple[Machine, list[Group], bool]:
    """What `write` was given; whether it is of the short form comes last.

    Raises:
        ValueError: the file can't be read, or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Machine(**document["machine"]), [_group_of(given) for given in document["groups"]], document["short"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no figures of an earlier run, which make bench writes: {error}") from error


def _group_of(given: dict[str, Any]) -> Group:
    return Group(**given | {"figures": [_figure_of(figure) for figure in given["figures"]]})


def _figure_of(given: dict[str, Any]) -> Figure:
    floor = given["floor"]
    kept = {name: given[name] for name in ("name", "value", "unit", "beside", "beside_value")}
    return Figure(
        **kept,
        goal=_bound_of(given["goal"]),
        ratio_goal=_bound_of(given["ratio_goal"]),
        floor=None if floor is None else Floor(bound=Bound(**_sided(floor["bound"])), why=floor["why"]),
    )


def _bound_of(given: dict[str, Any] | None) -> Bound | None:
    return None if given is None else Bound(**_sided(given))


def _sided(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"side": Side(given["side"])}
