"""The figures as a table: for a terminal, and in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Final

from tests.bench.figures import Bound, Figure, Group, Side, fallen
from tests.bench.machine import Machine

HEADER: Final = ("figure", "here", "beside it", "ratio", "goal")
_SIGNS: Final = {Side.AT_LEAST: "≥", Side.AT_MOST: "≤"}


def number(value: float) -> str:
    """Three digits of it, or all before the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def in_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def _exactly(bound: Bound, unit: str = "") -> str:
    return f"{_SIGNS[bound.side]} {bound.limit:,.6g} {unit}".rstrip()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def goal(figure: Figure) -> str:
    """What is wanted, and by how much it is missed."""
    wanted = [] if figure.goal is None else [_exactly(figure.goal, figure.unit)]
    if figure.ratio_goal is not None:
        wanted.append(f"ratio {_exactly(figure.ratio_goal)}")
    if not wanted:
        return ""
    missed = figure.missed_by
    return f"{', '.join(wanted)}: {f'missed by {_percent(missed)}' if missed else 'reached'}"


def cells(figure: Figure) -> tuple[str, ...]:
    beside = figure.beside if figure.beside_value is None else f"{in_unit(figure.beside_value, figure.unit)}, {figure.beside}"
    ratio = "" if figure.ratio is None else number(figure.ratio)
    return figure.name, in_unit(figure.value, figure.unit), beside, ratio, goal(figure)


def as_text(group: Group) -> str:
    """One group's table, and below it what was left out."""
    rows = [HEADER, *(cells(figure) for figure in group.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{group.title} ({group.seconds:.0f} s)", *(f"  {line}" for line in [*lines, *_notes(group)])])


def as_texts(machine: Machine, groups: Iterable[Group]) -> str:
    return "\n".join([machine.in_a_line, *(as_text(group) for group in groups)])


def _notes(group: Group) -> list[str]:
    return [*group.left_out, *([group.broken] if group.broken else [])]


def as_markdown(machine: Machine, groups: Sequence[Group]) -> str:
    """One table of all groups with their titles, below the machine."""
    lines = [f"{machine.in_a_line}.", "", f"| {' | '.join(HEADER)} |", "|---|--:|---|--:|---|"]
    for group in groups:
        if group.figures:
            lines.append(f"| **{_escaped(group.title)}** | | | | |")
        lines += [f"| {' | '.join(_escaped(cell) for cell in cells(figure))} |" for figure in group.figures]
    notes = [f"{group.title}: {note}" for group in groups for note in _notes(group)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def complaints(groups: Iterable[Group]) -> list[str]:
    """One sentence for each group that could not be measured, and for each ratio that is beyond its floor."""
    known = list(groups)
    broken = [f"{group.name}: {group.broken}" for group in known if group.broken]
    return broken + [_complaint(group, figure) for group, figure in fallen(known)]


def _complaint(group: Group, figure: Figure) -> str:
    assert figure.floor is not None
    assert figure.ratio is not None
    return (
        f"{group.name}: {figure.name}: {in_unit(figure.value, figure.unit)} is {number(figure.ratio)} of {figure.beside}, and has to be "
        f"{_exactly(figure.floor.bound)}. {figure.floor.why}"
    )
