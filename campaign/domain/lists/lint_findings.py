"""Lint findings: what may be wrong with messages that can be sent. Nothing here stops a run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from campaign.domain.lists.sheet import SheetLines, places


class LintKind(StrEnum):
    """The kinds of finding, gravest first."""

    NEAR_EXCLUDED = "near_excluded"
    NEAR_DUPLICATE = "near_duplicate"
    PLACEHOLDER = "placeholder"
    EMPTY_MERGE = "empty_merge"
    MOJIBAKE = "mojibake"
    BROKEN_LINK = "broken_link"
    INSECURE_LINK = "insecure_link"
    CUT_ON_LOCK_SCREEN = "cut_on_lock_screen"
    SAME_AS_LAST = "same_as_last"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintMatch:
    """One finding in one message. `excerpt` is the part of the text that shows it; empty if that is the whole text."""

    kind: LintKind
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One kind of finding in all the messages that have it.

    `rows` are the first of these, in the list's order; `example` is from the first. For near ids, `groups` are the rows that belong
    together, and `rows` are the same rows in sequence.
    """

    kind: LintKind
    count: int
    rows: tuple[int, ...]
    example: str
    groups: tuple[tuple[int, ...], ...] = ()

    def where(self, lines: SheetLines, *, most: int = 10) -> str:
        """The first rows, in words."""
        if not self.groups:
            return places(self.rows[:most], lines, count=self.count)
        shown = self.groups[: max(1, most // 2)]
        more = self.count - sum(map(len, shown))
        return "; ".join(places(group, lines) for group in shown) + (f"; and {more:,} more" if more else "")

    def as_json(self, lines: SheetLines) -> dict[str, Any]:
        """The value in the output of `--json`."""
        return {
            "kind": self.kind.value,
            "count": self.count,
            "first_rows": list(self.rows),
            "first_lines": lines.of_all(self.rows),
            "example": self.example,
            **({"groups": [list(group) for group in self.groups]} if self.groups else {}),
        }
