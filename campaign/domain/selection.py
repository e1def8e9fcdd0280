"""Which rows of a campaign a person wants to have sent again."""

from collections.abc import Iterable
from dataclasses import dataclass

from campaign.domain.model import Outcome, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of one of the statuses, and of one of the reasons and one of the HTTP statuses where any are given."""

    statuses: frozenset[Status]
    reasons: frozenset[str] = frozenset()
    http_statuses: frozenset[int] = frozenset()

    def takes(self, outcome: Outcome) -> bool:
        return (
            outcome.status in self.statuses
            and (not self.reasons or outcome.reason in self.reasons)
            and (not self.http_statuses or outcome.http_status in self.http_statuses)
        )

    def in_words(self) -> str:
        """`failed`, `failed or unknown, with the reason not_found, with HTTP 404 or 422`."""
        parts = [_either(status.value for status in self.statuses)]
        if self.reasons:
            parts.append(f"with the reason {_either(self.reasons)}")
        if self.http_statuses:
            parts.append(f"with HTTP {_either(map(str, self.http_statuses))}")
        return ", ".join(parts)


def parts_of(text: str) -> list[str]:
    """What stands between the commas of a text, without what is empty."""
    return [part.strip() for part in text.split(",") if part.strip()]


def is_http_status(text: str) -> bool:
    """Whether a text can be the number of an answer, such as 422."""
    return text.isascii() and text.isdecimal() and len(text) == 3


def _either(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))
