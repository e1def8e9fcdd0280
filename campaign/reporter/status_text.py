"""A campaign's state in words, for the command and the console."""

from collections import Counter
from datetime import UTC, datetime
from typing import Final, assert_never

from campaign.domain.model import CampaignState, Counts, Status
from campaign.domain.text.durations import words as duration
from campaign.insights import CampaignView
from campaign.reporter.lines import rows
from campaign.reporter.reasons import NO_REASON, ended_in_words, reason_in_words

MOST_REASONS: Final = 8
"""The most reasons shown for a status; the others are added up."""

_NO_TROUBLE: Final = "not tried yet"


def state_in_words(view: CampaignView) -> str:
    """The state as the end of a sentence that begins with the campaign's name: `is paused: 12 rows left.`"""
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


def batches_in_words(view: CampaignView) -> str:
    """The rows in batches at the vendor, and what that means, in sentences; empty if there are none."""
    found = view.in_batches
    if not found.batches:
        return ""
    said = [f"{rows(found.rows)} {_are(found.rows)} in {found.batches:,} {'batch' if found.batches == 1 else 'batches'} at PassEntry."]
    if view.is_worked_on:
        return said[0]
    cancelled = view.state is CampaignState.CANCELLED
    if found.held:
        few = f"{found.held:,} of these {'was' if found.held == 1 else 'were'} not sent yet"
        unsent = "None of these was sent yet" if found.held == found.rows else few
        way = "cancel, given again with a token, undoes that" if cancelled else "resume goes on with them, and cancel undoes them"
        said.append(f"{unsent}: {way}.")
        if found.send_themselves_at:
            at = datetime.fromtimestamp(found.send_themselves_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
            said.append(f"PassEntry sends by itself what nobody releases or cancels before {at}.")
    if found.held < found.rows:
        which = "The others" if found.held else "They"
        said.append(f"{which} may have been released: {'cancel' if cancelled else 'resume'} reads what became of them.")
    return " ".join(said)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def reasons_in_words(counts: Counts, status: Status, total: int) -> list[tuple[str, int]]:
    """The reasons of a status with their counts, the largest first; they add up to `total`. Empty if no row of the status has one."""
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
