"""What became of a campaign and what to do next, in sentences for the person who started it. Plain text, no markup."""

from collections.abc import Iterator

from campaign.domain.model import Counts, Status
from campaign.insights import CampaignView
from campaign.reporter.lines import WIDTH, rows, wrapped
from campaign.reporter.reasons import printable
from campaign.reporter.standing import LABEL, MEANING, ORDER, reasons_in_words, state_in_words
from campaign.reporter.steps import next_steps

__all__ = ("WIDTH", "in_a_line", "in_brief", "in_words", "rows")


def in_words(view: CampaignView, *, commands: bool = True) -> str:
    """The campaign at this moment: where it stands, every row by what became of it and why, and (`commands`) what to do next.

    The files it names are there. The counts of the second line add up to the number of rows, and so do the reasons below each count.
    """
    paragraphs = [
        list(_overview(view)),
        *(list(_reasons(view.counts, status)) for status in (() if view.half_staged else ORDER)),
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
    parts = [f"{counts.by_status[status]:,} {LABEL[status]}" for status in ORDER if counts.by_status.get(status)]
    said = [
        f"Campaign {printable(view.record.spec.name)} {state_in_words(view)}",
        f"{rows(counts.rows)}: {', '.join(parts)}." if parts else "",
    ]
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
    yield from wrapped(f"Campaign {printable(view.record.spec.name)} {state_in_words(view)}")
    if view.half_staged:
        return
    counts = view.counts
    parts = [f"{counts.by_status[status]:,} {LABEL[status]}" for status in ORDER if counts.by_status.get(status)]
    yield from wrapped(f"{rows(counts.rows)}: {', '.join(parts)}." if parts else "The list has no rows.")


def _reasons(counts: Counts, status: Status) -> Iterator[str]:
    total = counts.by_status.get(status, 0)
    if not total or status not in MEANING:
        return
    reasons = reasons_in_words(counts, status, total)
    if status is Status.PENDING and not reasons:
        return
    yield from wrapped(f"{LABEL[status].capitalize()} ({total:,}): {MEANING[status]}.")
    column = max((len(f"{count:,}") for _, count in reasons), default=0)
    for words, count in reasons:
        yield from wrapped(words, first=f"  {count:>{column},}  ", rest=" " * (column + 4))
