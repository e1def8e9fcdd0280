"""What became of a campaign and what to do next, in sentences for the person who started it. Plain text, no markup."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, assert_never

from campaign.domain.durations import words as duration
from campaign.domain.model import CampaignState, Counts, Status
from campaign.insights import CampaignView
from campaign.reporter.lines import WIDTH, rows, wrapped
from campaign.reporter.reasons import NO_REASON, ended_in_words, printable, reason_in_words
from campaign.reporter.steps import next_steps

__all__ = ("WIDTH", "in_a_line", "in_brief", "in_words", "rows")

MOST_REASONS: Final = 8
"""Reasons shown per status; the rest are added up."""

_NO_TROUBLE: Final = "not tried yet"

_ORDER: Final = (
    Status.DELIVERED,
    Status.ACCEPTED,
    Status.NOT_DELIVERED,
    Status.FAILED,
    Status.UNKNOWN,
    Status.INVALID,
    Status.SKIPPED,
    Status.SENDING,
    Status.PENDING,
)

_LABEL: Final[dict[Status, str]] = {
    Status.DELIVERED: "delivered",
    Status.ACCEPTED: "accepted",
    Status.NOT_DELIVERED: "not delivered",
    Status.FAILED: "failed",
    Status.UNKNOWN: "unknown",
    Status.INVALID: "invalid",
    Status.SKIPPED: "skipped",
    Status.SENDING: "being sent",
    Status.PENDING: "not sent yet",
}

_MEANING: Final[dict[Status, str]] = {
    Status.ACCEPTED: "the pass holds the message; whether a phone showed it is not known",
    Status.NOT_DELIVERED: "the message was taken, but no phone showed it",
    Status.FAILED: "the message was refused, or could not be handed over",
    Status.UNKNOWN: "the message may have arrived, so it is not sent again by itself",
    Status.INVALID: "the rows can't be sent as they stand",
    Status.SKIPPED: "left out on purpose",
    Status.PENDING: "waiting to be sent",
}


def in_words(view: CampaignView, *, commands: bool = True) -> str:
    """The campaign at this moment: where it stands, every row by what became of it and why, and (`commands`) what to do next.

    The files it names are there. The counts of the second line add up to the number of rows, and so do the reasons below each count.
    """
    paragraphs = [
        list(_overview(view)),
        *(list(_reasons(view.counts, status)) for status in (() if view.half_staged else _ORDER)),
        list(next_steps(view, commands=commands)),
    ]
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs if paragraph)


def in_brief(view: CampaignView) -> str:
    """Where the campaign stands and what to do next, without the reasons: for a message on a phone."""
    return "\n".join([*_overview(view), "", *next_steps(view, commands=True)])


def in_a_line(view: CampaignView, *, go_on: str = "") -> str:
    """The same in one line that needs no other: for who reads the mail of a scheduled job, and a search through many of them.

    `go_on` is the command that goes on better than the campaign's own, such as the job's.
    """
    counts = view.counts
    parts = [f"{counts.by_status[status]:,} {_LABEL[status]}" for status in _ORDER if counts.by_status.get(status)]
    said = [f"Campaign {printable(view.record.spec.name)} {_state(view)}", f"{rows(counts.rows)}: {', '.join(parts)}." if parts else ""]
    if needing := counts.needs_someone:
        said.append(f"{rows(needing)} {'needs' if needing == 1 else 'need'} someone.")
    steps = list(next_steps(view, commands=True))
    command = go_on or next((step.strip() for step in steps if step.startswith("    campaign ")), "")
    if command:
        said.append(f"Next: {command}")
    elif steps and not steps[-1].startswith(" "):
        said.append(steps[-1])
    return " ".join(part for part in said if part)


def _overview(view: CampaignView) -> Iterator[str]:
    yield from wrapped(f"Campaign {printable(view.record.spec.name)} {_state(view)}")
    if view.half_staged:
        return
    counts = view.counts
    parts = [f"{counts.by_status[status]:,} {_LABEL[status]}" for status in _ORDER if counts.by_status.get(status)]
    yield from wrapped(f"{rows(counts.rows)}: {', '.join(parts)}." if parts else "The list has no rows.")


def _state(view: CampaignView) -> str:
    left = f"{rows(view.counts.open)} left"
    match view.state:
        case CampaignState.STAGED if view.staging:
            return f"is being staged by another process: {rows(view.counts.rows)} of its list so far. Nothing was sent."
        case CampaignState.STAGED if view.half_staged:
            return f"was not staged to its end: only {rows(view.counts.rows)} of its list were read. Nothing was sent."
        case CampaignState.STAGED:
            return "is ready; nothing has been sent yet."
        case CampaignState.SENDING:
            return (
                f"is being sent: {left}."
                if view.eta_seconds is None
                else f"is being sent: {left}, about {duration(max(1.0, view.eta_seconds))} to go."
            )
        case CampaignState.WAITING:
            return f"is waiting and goes on by itself: {left}."
        case CampaignState.PAUSED:
            return f"is paused: {left}."
        case CampaignState.STOPPED:
            return f"has stopped before its end: {left}. {ended_in_words(view.record.ended)}"
        case CampaignState.CANCELLED:
            return "was cancelled."
        case CampaignState.FINISHED:
            return "is finished."
        case _:
            assert_never(view.state)


def _reasons(counts: Counts, status: Status) -> Iterator[str]:
    total = counts.by_status.get(status, 0)
    if not total or status not in _MEANING:
        return
    reasons = _reasons_in_words(counts, status, total)
    if status is Status.PENDING and not reasons:
        return
    yield from wrapped(f"{_LABEL[status].capitalize()} ({total:,}): {_MEANING[status]}.")
    column = max((len(f"{count:,}") for _, count in reasons), default=0)
    for words, count in reasons:
        yield from wrapped(words, first=f"  {count:>{column},}  ", rest=" " * (column + 4))


def _reasons_in_words(counts: Counts, status: Status, total: int) -> list[tuple[str, int]]:
    """Reasons with their counts, most first; they add up to `total`. Empty if no row of the status has one."""
    if not any(counts.reasons(status)):
        return []
    merged: Counter[str] = Counter()
    for reason, count in counts.reasons(status).items():
        merged[reason_in_words(reason)] += count
    merged[NO_REASON] += total - merged.total()
    if status is Status.PENDING:
        merged[_NO_TROUBLE] = merged.pop(NO_REASON)
    reasons = [(words, count) for words, count in merged.most_common() if count]
    shown, others = reasons[:MOST_REASONS], reasons[MOST_REASONS:]
    if len(others) == 1:
        shown += others
    elif others:
        shown.append((f"other reasons, {len(others):,} of them", sum(count for _, count in others)))
    return shown
