"""What became of a campaign and what to do next, in sentences for the person who started it. Plain text, no markup."""

import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaign.domain.model import CampaignState, Counts, Status
from campaign.insights import CampaignView, command_line
from campaign.reporter.reasons import printable
from campaign.reporter.standing import LABEL, MEANING, ORDER, reasons_in_words, rows, state_in_words
from campaign.reporter.target import failed_path

WIDTH: Final = 100
"""Columns a line may take. Only a command or a path that is longer by itself stands on a longer one, to be copied whole."""


def in_words(view: CampaignView, *, commands: bool = True) -> str:
    """The campaign at this moment: where it stands, every row by what became of it and why, and (`commands`) what to do next.

    The files it names are there. The counts of the second line add up to the number of rows, and so do the reasons below each count.
    """
    paragraphs = [
        list(_overview(view)),
        *(list(_reasons(view.counts, status)) for status in (() if view.half_staged else ORDER)),
        list(_next_steps(view, commands=commands)),
    ]
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs if paragraph)


def in_brief(view: CampaignView) -> str:
    """Where the campaign stands and what to do next, without the reasons: for a message on a phone."""
    return "\n".join([*_overview(view), "", *_next_steps(view, commands=True)])


def in_a_line(view: CampaignView) -> str:
    """The same in one line that needs no other: for who reads the mail of a scheduled job, and a search through many of them."""
    counts = view.counts
    parts = [f"{counts.by_status[status]:,} {LABEL[status]}" for status in ORDER if counts.by_status.get(status)]
    said = [f"Campaign {printable(view.record.spec.name)} {state_in_words(view)}"]
    said.append(f"{rows(counts.rows)}: {', '.join(parts)}." if parts else "")
    if needing := counts.needs_someone:
        said.append(f"{rows(needing)} {'needs' if needing == 1 else 'need'} someone.")
    steps = list(_next_steps(view, commands=True))
    command = next((step.strip() for step in steps if step.startswith("    campaign ")), "")
    if command:
        said.append(f"Next: {command}")
    elif steps and not steps[-1].startswith(" "):
        said.append(steps[-1])
    return " ".join(part for part in said if part)


def _overview(view: CampaignView) -> Iterator[str]:
    yield from _wrapped(f"Campaign {printable(view.record.spec.name)} {state_in_words(view)}")
    if view.half_staged:
        return
    counts = view.counts
    parts = [f"{counts.by_status[status]:,} {LABEL[status]}" for status in ORDER if counts.by_status.get(status)]
    yield from _wrapped(f"{rows(counts.rows)}: {', '.join(parts)}." if parts else "The list has no rows.")


def _reasons(counts: Counts, status: Status) -> Iterator[str]:
    total = counts.by_status.get(status, 0)
    if not total or status not in MEANING:
        return
    reasons = reasons_in_words(counts, status, total)
    if status is Status.PENDING and not reasons:
        return
    yield from _wrapped(f"{LABEL[status].capitalize()} ({total:,}): {MEANING[status]}.")
    column = max((len(f"{count:,}") for _, count in reasons), default=0)
    for words, count in reasons:
        yield from _wrapped(words, first=f"  {count:>{column},}  ", rest=" " * (column + 4))


def _next_steps(view: CampaignView, *, commands: bool) -> Iterator[str]:
    at_work = view.state in {CampaignState.SENDING, CampaignState.WAITING}
    written = view.results != "" and view.state is not CampaignState.STAGED and Path(view.results).is_file()
    yield from _files(view, at_work=at_work, written=written)
    if not commands:
        return
    if view.half_staged:
        if not view.staging:
            yield "Run the same command again: campaign run LIST ..."
    elif view.record.forgotten_at:
        yield "It was forgotten: only these counts are left of it."
    elif view.record.exported_at:
        yield from _to_copy("It was exported, and is sent on where this file is imported", view.record.exported_to)
    elif at_work:
        yield from _to_copy("To see how it goes", view.command("status", "--watch"))
        yield from _to_copy("To pause it", view.command("pause"))
    else:
        yield from _commands(view)
        if view.results and not written and view.state is not CampaignState.STAGED:
            yield from _to_copy("To write the results to a file", view.command("report", "--output", "FILE"))


def _files(view: CampaignView, *, at_work: bool, written: bool) -> Iterator[str]:
    if at_work and view.results:
        yield from _to_copy("The results will be in", view.results)
    elif written:
        yield from _to_copy("The results are in", view.results)
        if view.counts.needs_someone and (failed := failed_path(Path(view.results))).is_file():
            yield from _to_copy("The rows that need someone are in", str(failed))


def _commands(view: CampaignView) -> Iterator[str]:
    count = view.counts.by_status.get
    not_delivered = count(Status.NOT_DELIVERED, 0)
    may_send = view.state is not CampaignState.CANCELLED
    if may_send and view.state is CampaignState.STAGED:
        yield from _to_copy("To send it", view.command("resume"))
    elif may_send and view.counts.open:
        yield from _to_copy(f"To go on with the {rows(view.counts.open)} left", view.command("resume"))
    if unknown := count(Status.UNKNOWN, 0):
        passes = "its pass" if unknown == 1 else "their passes"
        yield from _to_copy(
            f"To find out what became of {_the(unknown, 'unknown')} (reads {passes}, sends nothing)", view.command("verify")
        )
    if may_send and unknown:
        yield from _to_copy("If that can't tell either, and twice is better than not at all", view.command("retry", "--status", "unknown"))
    if may_send and (failed := count(Status.FAILED, 0)):
        yield from _to_copy(f"To send {_the(failed, 'failed')} again, once the cause is mended", view.command("retry"))
    if may_send and not_delivered:
        passes = "the pass is in a wallet" if not_delivered == 1 else "the passes are in wallets"
        yield from _to_copy(
            f"To send {_the(not_delivered, 'not delivered')} again, once {passes}", view.command("retry", "--status", "not_delivered")
        )
    if may_send and (invalid := count(Status.INVALID, 0)):
        yield from _once_mended(view, invalid)
    if view.state is CampaignState.FINISHED and not (view.counts.needs_someone or not_delivered):
        yield "There is nothing left to do."


def _once_mended(view: CampaignView, invalid: int) -> Iterator[str]:
    which = _the(invalid, "invalid")
    if not view.results:
        yield from _wrapped(f"{which.capitalize()} can be sent as a new list, mended, under another --name.")
        return
    command = command_line("retry", str(failed_path(Path(view.results))), ledger=view.ledger)
    yield from _to_copy(f"To send {which}, once mended in that file (with the --template or --message again, if columns change)", command)


def _the(count: int, kind: str) -> str:
    return f"the {kind} row" if count == 1 else f"the {count:,} {kind} rows"


def _to_copy(lead: str, text: str) -> Iterator[str]:
    yield from _wrapped(f"{lead}:")
    yield f"    {printable(text)}"


def _wrapped(text: str, *, first: str = "", rest: str = "") -> list[str]:
    # A character of Chinese, Japanese or Korean, or an emoji, takes two columns.
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    width = len(first) + (WIDTH - len(first)) // (2 if wide else 1)
    return textwrap.wrap(text, width=width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
