"""When a second person is needed, and what each of the two may do: plain changes of a draft."""

from collections.abc import Callable
from dataclasses import replace

from campaign.console.access import Person, Role
from campaign.console.drafts.draft import Draft, Mark, Stage
from campaign.domain.errors import UsageError

Change = Callable[[Draft], Draft]
NOTE_CHARACTERS = 1_000


def needs_approval(draft: Draft, recipients: int, approval_over: int | None) -> bool:
    """Whether somebody else has still to agree to a draft with so many recipients."""
    return approval_over is not None and recipients > approval_over and not draft.is_approved


def asking(person: Person, *, now: float) -> Change:
    """Hand a draft to a second person; from then on it can't be changed."""

    def change(draft: Draft) -> Draft:
        if draft.stage is Stage.WAITING:
            return draft
        _check_editing(draft)
        return replace(draft, stage=Stage.WAITING, asked=Mark(by=person.name, at=now, content=draft.content), returned=None, problem="")

    return change


def taking_back(draft: Draft) -> Draft:
    """Let its owner change a draft again."""
    if draft.stage is not Stage.WAITING:
        return draft
    return replace(draft, stage=Stage.EDITING, asked=None)


def returning(person: Person, note: str, *, now: float) -> Change:
    """Send a draft back, with why."""

    def change(draft: Draft) -> Draft:
        check_second(person, draft)
        note_ = note.strip()[:NOTE_CHARACTERS]
        if not note_:
            raise UsageError("Write what has to be changed, so that the sender knows.", code="no_reason")
        return replace(draft, stage=Stage.EDITING, asked=None, approved=None, returned=Mark(by=person.name, at=now, note=note_))

    return change


def approving(person: Person, content: str, *, now: float) -> Change:
    """Agree to a draft, as it was when the person looked at it (`content`)."""

    def change(draft: Draft) -> Draft:
        check_second(person, draft)
        if draft.content != content:
            raise UsageError("It was changed while you looked at it. Look at it again before you approve.", code="changed_meanwhile")
        return replace(draft, approved=Mark(by=person.name, at=now, content=content))

    return change


def check_second(person: Person, draft: Draft) -> None:
    """Raises UsageError unless this person may decide about a draft that waits."""
    if draft.stage is not Stage.WAITING:
        raise UsageError("This doesn't wait for a second person any more.", code="not_waiting")
    if person.role < Role.APPROVER:
        raise UsageError("Only an approver can decide this.", code="not_an_approver")
    if person.name == draft.owner or person.name in draft.hands or (draft.asked is not None and person.name == draft.asked.by):
        raise UsageError("You have worked on this yourself, so somebody else has to approve it.", code="own_work")


def _check_editing(draft: Draft) -> None:
    if draft.stage is not Stage.EDITING:
        raise UsageError("This has been sent already.", code="already_sent")
