"""A draft as a value: its list, its message, its controls, its stage, and its approval."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

import orjson
from pydantic import TypeAdapter

from campaign.console.access import Person, Role
from campaign.domain.errors import UsageError
from campaign.domain.status import Status
from campaign.setting_types import Wizard
from campaign.settings import IsolatedSettings, Settings, marked

NAME_CHARACTERS: Final = 100
CONTROLS: Final = {section: marked(section) for section in Wizard}
"""The settings that the form offers, by section."""
FLAGS: Final = tuple(name for names in CONTROLS.values() for name in names if Settings.model_fields[name].annotation is bool)
"""Controls that are on or missing."""


def given_of(controls: Mapping[str, str]) -> dict[str, Any]:
    """The values of controls, by setting. Raises UsageError if one is not valid."""
    given = IsolatedSettings.read(**controls)
    return {name: getattr(given, name) for name in controls}


class Stage(StrEnum):
    """`EDITING`: can be changed. `WAITING`: waits for a second person. `SENDING`: has a unique name, and is being started."""

    EDITING = "editing"
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"


class MessageSource(StrEnum):
    """The source of the message: written here, or in a column of the list."""

    WRITTEN = "written"
    COLUMN = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An uploaded file. `file` is its name in the draft's folder; `name` is the uploader's name for it, which is only shown."""

    file: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's decision on a content, at a time in Unix seconds, with a note."""

    by: str
    at: float
    content: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The record of a draft, without its files; times are Unix seconds.

    Attributes:
        id: the name of its folder, and part of its addresses.
        owner: who began it.
        hands: who has changed it, so that nobody approves their own work.
        name: the campaign's name.
        header_row: the line of the list's header; 0 is the first line that is not empty.
        column: the column of the passes; empty until somebody chooses it.
        settled: whether the message is valid for this list and column.
        controls: settings of the run by name, as text.
        asked: who asked for approval.
        approved: who approved which content.
        returned: who sent it back, and why.
        problem: why it could not be started.
        starter: who sent it.
        tested: who sent a test to their own pass, of which content (`checkable`), and the resulting status.
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
        """The key of a preview: the list's SHA-256, and the line of its header if somebody gave it; empty without a list."""
        if self.list is None:
            return ""
        return f"{self.list.sha256} {self.header_row}" if self.header_row else self.list.sha256

    @property
    def content(self) -> str:
        """The key of an approval: the SHA-256 of everything that decides who gets which message, and how."""
        files = [[upload.sha256, upload.file] for upload in (self.list, *self.excludes) if upload is not None]
        said = [
            self.name,
            files,
            self.column,
            self.words,
            self.message if self.words is MessageSource.WRITTEN else "",
            sorted(self.controls.items()),
            # Only if given, so that approvals from before this setting stay valid.
            *([self.header_row] if self.header_row else []),
        ]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def checkable(self) -> str:
        """The key of a check, which stays valid when only the rate or the hours change."""
        files = [upload.sha256 for upload in (self.list, *self.excludes) if upload is not None]
        fixed = [self.controls.get("lock_screen", ""), bool(self.controls.get("window")) and not self.controls.get("time_zone")]
        said = [files, self.column, self.words, self.message if self.words is MessageSource.WRITTEN else "", fixed]
        if self.header_row:
            said.append([self.header_row])
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    @property
    def is_approved(self) -> bool:
        """Whether a second person has approved the present content."""
        return self.approved is not None and self.approved.content == self.content

    @property
    def test_arrived(self) -> bool:
        """Whether a test of exactly this message and list was delivered or accepted."""
        arrived = {Status.DELIVERED, Status.ACCEPTED}
        return self.tested is not None and self.tested.content == self.checkable and self.tested.note in arrived

    def changed(self, by: str, now: float, **changes: object) -> Self:
        """The draft with changes, made by a person. Raises UsageError if the draft can't be changed in its stage."""
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
        """The draft that `as_json` wrote. Raises ValueError if `content` is not a draft."""
        return _DRAFTS.validate_json(content)


_DRAFTS: TypeAdapter[Draft] = TypeAdapter(Draft)


def problem_with_name(name: str) -> str:
    """The problem with a campaign's name, as a sentence; empty if it is valid."""
    if not name:
        return "Give the campaign a name."
    if len(name) > NAME_CHARACTERS:
        return f"The name has {len(name)} characters; at most {NAME_CHARACTERS} are allowed. Write a shorter one."
    if not name.isprintable() or set(name) & set('/\\"?#%') or name.strip(".") == "":
        return "A name can't contain / \\ \" ? # % or line breaks, or consist of dots. Use letters, digits and blanks."
    return ""


def name_from(file: str) -> str:
    """A valid campaign name from a list's file name."""
    stem = file.split(".", maxsplit=1)[0]
    clean = " ".join("".join(character if character.isalnum() or character in "-_ ()&+,'" else " " for character in stem).split())
    return clean[:NAME_CHARACTERS].strip() or "campaign"


Change = Callable[[Draft], Draft]
NOTE_CHARACTERS = 1_000


def needs_approval(draft: Draft, recipients: int, approval_over: int | None) -> bool:
    """Whether a draft with this many recipients still needs an approval."""
    return approval_over is not None and recipients > approval_over and not draft.is_approved


def asking(person: Person, *, now: float) -> Change:
    """A change that asks for approval; after it, the draft can't be edited."""

    def change(draft: Draft) -> Draft:
        if draft.stage is Stage.WAITING:
            return draft
        _check_editing(draft)
        return replace(draft, stage=Stage.WAITING, asked=Decision(by=person.name, at=now, content=draft.content), returned=None, problem="")

    return change


def taking_back(draft: Draft) -> Draft:
    """Withdraw the request for approval, so that the draft can be edited again."""
    if draft.stage is not Stage.WAITING:
        return draft
    return replace(draft, stage=Stage.EDITING, asked=None)


def returning(person: Person, note: str, *, now: float) -> Change:
    """A change that sends a draft back, with a reason."""

    def change(draft: Draft) -> Draft:
        check_second(person, draft)
        note_ = note.strip()[:NOTE_CHARACTERS]
        if not note_:
            raise UsageError("Write what has to be changed.", code="no_reason")
        return replace(draft, stage=Stage.EDITING, asked=None, approved=None, returned=Decision(by=person.name, at=now, note=note_))

    return change


def approving(person: Person, content: str, *, now: float) -> Change:
    """A change that approves a draft, with the content that the person has seen."""

    def change(draft: Draft) -> Draft:
        check_second(person, draft)
        if draft.content != content:
            raise UsageError("It was changed while you reviewed it. Review it again before you approve.", code="changed_meanwhile")
        return replace(draft, approved=Decision(by=person.name, at=now, content=content))

    return change


def check_second(person: Person, draft: Draft) -> None:
    """Check that this person may decide about a draft.

    Raises:
        UsageError: the draft does not wait, or the person is no approver, or has worked on it.
    """
    if draft.stage is not Stage.WAITING:
        raise UsageError("This no longer waits for approval.", code="not_waiting")
    if person.role < Role.APPROVER:
        raise UsageError("Only an approver can decide this.", code="not_an_approver")
    if person.name == draft.owner or person.name in draft.hands or (draft.asked is not None and person.name == draft.asked.by):
        raise UsageError("You have worked on this yourself, so another approver has to approve it.", code="own_work")


def _check_editing(draft: Draft) -> None:
    if draft.stage is not Stage.EDITING:
        raise UsageError("This has been sent already.", code="already_sent")
