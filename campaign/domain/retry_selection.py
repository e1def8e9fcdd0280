"""The rows of a campaign that a person wants to retry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from campaign.domain.errors import UsageError
from campaign.domain.model import Outcome
from campaign.domain.status import CORRECTABLE, RETRYABLE, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows with one of the statuses, and with one of the reasons and one of the HTTP statuses if any are given."""

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


def selection_of(statuses: Sequence[str], reasons: Iterable[str], http_statuses: Sequence[str]) -> Selection:
    """The selection that a person has written.

    Raises:
        UsageError: rows with one of the statuses can't be retried, or a number is not an HTTP status.
    """
    if unknown := [status for status in statuses if status not in RETRYABLE | CORRECTABLE]:
        possible = ", ".join(sorted(RETRYABLE))
        raise UsageError(
            f"--status {unknown[0]}: rows can be sent again that are {possible}, and invalid ones once they are corrected.",
            code="bad_value",
            option="--status",
        )
    if odd := [code for code in http_statuses if not is_http_status(code)]:
        raise UsageError(f"--http-status {odd[0]}: write the number of an answer, such as 422.", code="bad_value", option="--http-status")
    return Selection(
        statuses=frozenset(map(Status, statuses)), reasons=frozenset(reasons), http_statuses=frozenset(map(int, http_statuses))
    )


def parts_of(text: str) -> list[str]:
    """The parts of a text between its commas, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def is_http_status(text: str) -> bool:
    """Whether a text can be an HTTP status, such as 422."""
    return text.isascii() and text.isdecimal() and len(text) == 3


def _either(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))
