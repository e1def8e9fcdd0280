"""A promotion that is not sent yet, as a value: its list, its message, how it is to be sent, how far it is, and who has to agree."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

import orjson
from pydantic import TypeAdapter

from campaign.console.access import Person, Role
from campaign.domain.errors import UsageError
from campaign.domain.model import Status
from campaign.settings import GivenSettings

NAME_CHARACTERS: Final = 100
FLAGS: Final = ("only_reachable", "baseline")
"""Controls that are on or left out."""


def given_of(controls: Mapping[str, str]) -> dict[str, Any]:
    """What controls mean, by setting; raises UsageError where one can't be."""
    given = GivenSettings.read(**controls)
    return {name: getattr(given, name) for name in controls}


class Stage(StrEnum):
    """`EDITING` can be changed; `WAITING` is for a second person; `SENDING` has a name of its own, and is being started."""

    EDITING = "editing"
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"


class MessageSource(StrEnum):
    """Where the text comes from: written here, or in a column of the list."""

    WRITTEN = "written"
    COLUMN = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody gave: `file` is the name that it has in the draft's folder, `name` what they called it, which is only text."""

    file: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Somebody's decision at a moment (Unix seconds) about a content, and what they said."""

    by: str
    at: float
    content: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that is kept of a draft besides its files; times are Unix seconds.

    Attributes:
        id: its folder, and part of its addresses.
        owner: who began it.
        hands: who has changed it, so that nobody approves what is their own work.
        name: the campaign's.
        header_row: the line of the list's header; 0 is the first that holds something.
        column: which holds the passes; empty until somebody says it.
        settled: whether the message was found right for this list and column.
        controls: settings of the run by their names, as text.
        asked: who wants it approved.
        approved: who approved which content.
        returned: who sent it back, and why.
        problem: why it could not be started, or sent a test.
        starter: who had it sent.
        tested: who had it sent to a pass of theirs, what of (`checkable`), and what became of it.
        own_pass: that pass.
    """

    id: str
    owner: str
    created_at: float
    changed_at: float
    stage: Stage = Stage.EDITING
    hands: tuple[str, ...] = ()
    name: str = ""
    list: Upload | None = None
    excludes: tuple[Upload, ...] = ()
    header_row: int = 0
    column: str = ""
    words: MessageSource = MessageSource.WRITTEN
    message: str = ""
    settled: bool = False
    controls: Mapping[str, str] = field(default_factory=dict)
    asked: Decision | None = None
    approved: Decision | None = None
    returned: Decision | None = None
    problem: str = ""
    starter: str = ""
    tested: Decision | None = None
    own_pass: str = ""

    @property
    def list_key(self) -> str:
        """What a first look is of: the list's SHA-256, and the line of its header where that was said; empty without a list."""
        if self.list is None:
            return ""
        return f"{self.list.sha256} {self.header_row}" if self.header_row else self.list.sha256

    @property
    def content(self) -> str:
        """What an approval is of: SHA-256 over everything that decides who gets which message, and how."""
        files = [[upload.sha256, upload.file] for upload in (self.list, *self.excludes) if upload is not None]
        said = [
            self.name,
            files,
            self.column,
            self.words,
            self.message if self.words is MessageSource.WRITTEN else "",
            sorted(self.controls.items()),
            # What was approved before there was a line to say stays approved.
            *([self.header_row] if self.header_row else []),
        ]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def checkable(self) -> str:
        """What a check is of: it stays good while this does, whatever becomes of the pace and the hours."""
        files = [upload.sha256 for upload in (self.list, *self.excludes) if upload is not None]
        fixed = [self.controls.get("lock_screen", ""), bool(self.controls.get("window")) and not self.controls.get("time_zone")]
        said = [files, self.column, self.words, self.message if self.words is MessageSource.WRITTEN else "", fixed]
        if self.header_row:
            said.append([self.header_row])
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def is_approved(self) -> bool:
        """Whether a second person has agreed to what it is now."""
        return self.approved is not None and self.approved.content == self.content

    @property
    def test_arrived(self) -> bool:
        """Whether a test of exactly this message and list has reached its pass."""
        arrived = {Status.DELIVERED, Status.ACCEPTED}
        return self.tested is not None and self.tested.content == self.checkable and self.tested.note in arrived

    def changed(self, by: str, now: float, **changes: object) -> Self:
        """The same with other content, by somebody.

        Raises:
            UsageError: it is no longer to be changed.
        """
        if self.stage is not Stage.EDITING:
            if self.stage is Stage.WAITING:
                raise UsageError("This waits for a second person, so it can't be changed. Take it back first.", code="waiting_for_approval")
            raise UsageError("This has been sent, so it can no longer be changed. Start a new campaign.", code="already_sent")
        hands = self.hands if by in self.hands else (*self.hands, by)
        return replace(self, changed_at=now, hands=hands, problem="", **changes)  # type: ignore[arg-type]  # named by callers of this package

    def as_json(self) -> bytes:
        return orjson.dumps(_DRAFTS.dump_python(self, mode="json"), option=orjson.OPT_INDENT_2)

    @staticmethod
    def of(content: bytes) -> "Draft":
        """The draft that `as_json` wrote; ValueError if it is none."""
        return _DRAFTS.validate_json(content)


_DRAFTS: TypeAdapter[Draft] = TypeAdapter(Draft)


def problem_with_name(name: str) -> str:
    """What can't be about a campaign's name; empty if it can."""
    if not name:
        return "Give the campaign a name."
    if len(name) > NAME_CHARACTERS:
        return f"The name has {len(name)} characters; at most {NAME_CHARACTERS} are allowed. Write a shorter one."
    if not name.isprintable() or set(name) & set('/\\"?#%') or name.strip(".") == "":
        return "A name can't contain / \\ \" ? # % or line breaks, or consist of dots. Use letters, digits and blanks."
    return ""


def name_from(file: str) -> str:
    """A campaign's name for a list of this name: always a good one."""
    stem = file.split(".", maxsplit=1)[0]
    clean = " ".join("".join(character if character.isalnum() or character in "-_ ()&+,'" else " " for character in stem).split())
    return clean[:NAME_CHARACTERS].strip() or "campaign"


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
        return replace(draft, stage=Stage.WAITING, asked=Decision(by=person.name, at=now, content=draft.content), returned=None, problem="")

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
            raise UsageError("Write what has to be changed.", code="no_reason")
        return replace(draft, stage=Stage.EDITING, asked=None, approved=None, returned=Decision(by=person.name, at=now, note=note_))

    return change


def approving(person: Person, content: str, *, now: float) -> Change:
    """Agree to a draft, as it was when the person looked at it (`content`)."""

    def change(draft: Draft) -> Draft:
        check_second(person, draft)
        if draft.content != content:
            raise UsageError("It was changed while you reviewed it. Review it again before you approve.", code="changed_meanwhile")
        return replace(draft, approved=Decision(by=person.name, at=now, content=content))

    return change


def check_second(person: Person, draft: Draft) -> None:
    """Raises UsageError unless this person may decide about a draft that waits."""
    if draft.stage is not Stage.WAITING:
        raise UsageError("This no longer waits for approval.", code="not_waiting")
    if person.role < Role.APPROVER:
        raise UsageError("Only an approver can decide this.", code="not_an_approver")
    if person.name == draft.owner or person.name in draft.hands or (draft.asked is not None and person.name == draft.asked.by):
        raise UsageError("You have worked on this yourself, so another approver has to approve it.", code="own_work")


def _check_editing(draft: Draft) -> None:
    if draft.stage is not Stage.EDITING:
        raise UsageError("This has been sent already.", code="already_sent")
