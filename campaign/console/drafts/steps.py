"""The steps of the way, and which of them can be taken yet."""

from dataclasses import dataclass
from enum import StrEnum

from campaign.console.drafts.draft import Draft, Stage, Words
from campaign.console.drafts.findings import Found, Looked
from campaign.console.drafts.jobs import Job


class Step(StrEnum):
    """In the order of the way; the value is the last part of the page's address."""

    LIST = "list"
    COLUMN = "column"
    MESSAGE = "message"
    CHECK = "check"
    CONTROLS = "controls"
    TEST = "test"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stone:
    """A step as the indicator shows it. `locked` is the step that must be right first, None if it is open; `done` that it is right."""

    step: Step
    current: bool
    done: bool
    locked: Step | None


def missing(draft: Draft, looked: Looked | Job | None) -> Step | None:
    """The first step that is not right yet; None if all that a check needs is there."""
    if not isinstance(looked, Looked) or looked.error:
        return Step.LIST
    if draft.column not in looked.columns:
        return Step.COLUMN
    if not draft.settled or (draft.words is Words.COLUMN and not looked.message_column):
        return Step.MESSAGE
    return None


def locked_by(step: Step, draft: Draft, looked: Looked | Job | None) -> Step | None:
    """The step that has to be right before this one can be taken."""
    first = missing(draft, looked)
    order = list(Step)
    return first if first is not None and order.index(step) > order.index(first) else None


def stones(current: Step, draft: Draft, looked: Looked | Job | None, found: Found | Job | None) -> tuple[Stone, ...]:
    """The indicator of a page."""
    first = missing(draft, looked)
    order = list(Step)
    checked = isinstance(found, Found) and not found.error and found.sendable > 0
    right = {
        Step.CHECK: checked,
        Step.CONTROLS: bool(draft.controls or draft.excludes),
        Step.TEST: draft.test_arrived,
        Step.SEND: draft.stage in {Stage.SENDING, Stage.SENT},
    }
    return tuple(
        Stone(
            step=step,
            current=step is current,
            done=right[step] if step in right else first is None or order.index(step) < order.index(first),
            locked=locked_by(step, draft, looked),
        )
        for step in order
    )
